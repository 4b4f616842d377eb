package lambdatune;

import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** JSON to and from maps, lists, texts, numbers, booleans and null: what a handler without a library of its own takes. */
final class Json {
    private final String text;
    private int at;

    private Json(String text) {
        this.text = text;
    }

    static Object read(String text) {
        Json json = new Json(text);
        Object value = json.value();
        json.skipBlanks();
        if (json.at < text.length()) throw json.unexpected();
        return value;
    }

    /** Return `value`, which was read, as `type`: String, a number type, boolean, Map, List or Object. */
    static Object as(Object value, Type type) {
        if (type instanceof ParameterizedType) {
            Type[] arguments = ((ParameterizedType) type).getActualTypeArguments();
            if (value instanceof Map && arguments.length == 2) {
                Map<String, Object> converted = new LinkedHashMap<>();
                ((Map<?, ?>) value).forEach((key, each) -> converted.put((String) key, as(each, arguments[1])));
                return converted;
            }
            if (value instanceof List && arguments.length == 1) {
                List<Object> converted = new ArrayList<>();
                for (Object each : (List<?>) value) converted.add(as(each, arguments[0]));
                return converted;
            }
            return as(value, ((ParameterizedType) type).getRawType());
        }
        if (!(type instanceof Class) || type == Object.class) return value;
        if (value == null) return null;
        Class<?> wanted = (Class<?>) type;
        if (wanted.isInstance(value)) return value;
        if (wanted == String.class && !(value instanceof Map || value instanceof List)) return value.toString();
        if (value instanceof Boolean && wanted == boolean.class) return value;
        if (value instanceof Number) {
            Number number = (Number) value;
            if (wanted == int.class || wanted == Integer.class) return number.intValue();
            if (wanted == long.class || wanted == Long.class) return number.longValue();
            if (wanted == double.class || wanted == Double.class) return number.doubleValue();
            if (wanted == float.class || wanted == Float.class) return number.floatValue();
        }
        throw new IllegalArgumentException("cannot read " + wanted.getName() + " from " + write(value));
    }

    static String write(Object value) {
        StringBuilder out = new StringBuilder();
        write(value, out);
        return out.toString();
    }

    private static void write(Object value, StringBuilder out) {
        if (value == null || value instanceof Boolean || value instanceof Number) {
            out.append(value);
        } else if (value instanceof CharSequence || value instanceof Character || value instanceof Enum) {
            quote(value.toString(), out);
        } else if (value instanceof Map) {
            String separator = "{";
            for (Map.Entry<?, ?> entry : ((Map<?, ?>) value).entrySet()) {
                quote(String.valueOf(entry.getKey()), out.append(separator));
                write(entry.getValue(), out.append(':'));
                separator = ",";
            }
            out.append(separator.equals("{") ? "{}" : "}");
        } else if (value instanceof Iterable) {
            String separator = "[";
            for (Object each : (Iterable<?>) value) {
                write(each, out.append(separator));
                separator = ",";
            }
            out.append(separator.equals("[") ? "[]" : "]");
        } else {
            throw new IllegalArgumentException("cannot write a " + value.getClass().getName() + " as JSON here: "
                + "the embedded lambdatune endpoint knows Map, List, String, numbers and booleans");
        }
    }

    private static void quote(String value, StringBuilder out) {
        out.append('"');
        for (int i = 0; i < value.length(); i++) {
            char each = value.charAt(i);
            if (each == '"' || each == '\\') out.append('\\').append(each);
            else if (each == '\n') out.append("\\n");
            else if (each == '\t') out.append("\\t");
            else if (each < ' ') out.append(String.format("\\u%04x", (int) each));
            else out.append(each);
        }
        out.append('"');
    }

    private Object value() {
        skipBlanks();
        if (at == text.length()) throw unexpected();
        switch (text.charAt(at)) {
            case '{': return object();
            case '[': return array();
            case '"': return string();
            case 't': return word("true", true);
            case 'f': return word("false", false);
            case 'n': return word("null", null);
            default: return number();
        }
    }

    private Map<String, Object> object() {
        Map<String, Object> members = new LinkedHashMap<>();
        at++;
        if (take('}')) return members;
        do {
            skipBlanks();
            String key = string();
            expect(':');
            members.put(key, value());
        } while (take(','));
        expect('}');
        return members;
    }

    private List<Object> array() {
        List<Object> items = new ArrayList<>();
        at++;
        if (take(']')) return items;
        do items.add(value());
        while (take(','));
        expect(']');
        return items;
    }

    private String string() {
        if (at == text.length() || text.charAt(at) != '"') throw unexpected();
        int start = ++at;
        while (at < text.length() && text.charAt(at) != '"' && text.charAt(at) != '\\') at++;
        StringBuilder out = new StringBuilder().append(text, start, at);
        while (at < text.length()) {
            char each = text.charAt(at++);
            if (each == '"') return out.toString();
            if (each != '\\') {
                out.append(each);
                continue;
            }
            if (at == text.length()) break;
            char escaped = text.charAt(at++);
            int known = "\"\\/bfnrt".indexOf(escaped);
            if (known >= 0) {
                out.append("\"\\/\b\f\n\r\t".charAt(known));
            } else if (escaped == 'u' && at + 4 <= text.length()) {
                out.append((char) Integer.parseInt(text.substring(at, at + 4), 16));
                at += 4;
            } else {
                throw unexpected();
            }
        }
        throw unexpected();
    }

    private Number number() {
        int start = at;
        boolean isWhole = true;
        for (; at < text.length() && "+-.eE0123456789".indexOf(text.charAt(at)) >= 0; at++)
            isWhole &= ".eE".indexOf(text.charAt(at)) < 0;
        String digits = text.substring(start, at);
        try {
            if (!isWhole) return Double.valueOf(digits);
            if (digits.length() < 10) return Integer.valueOf(digits);
            BigInteger whole = new BigInteger(digits);
            if (whole.bitLength() < 32) return whole.intValue();
            return whole.bitLength() < 64 ? (Number) whole.longValue() : whole;
        } catch (NumberFormatException error) {
            at = start;
            throw unexpected();
        }
    }

    private Object word(String word, Object value) {
        if (!text.startsWith(word, at)) throw unexpected();
        at += word.length();
        return value;
    }

    private boolean take(char wanted) {
        skipBlanks();
        if (at == text.length() || text.charAt(at) != wanted) return false;
        at++;
        return true;
    }

    private void expect(char wanted) {
        if (!take(wanted)) throw unexpected();
    }

    private void skipBlanks() {
        while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) at++;
    }

    private IllegalArgumentException unexpected() {
        return new IllegalArgumentException("no JSON at character " + at);
    }
}
