package lambdatune;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/** The function's handler: `package.Class` or `package.Class::method`, on streams or on values read from JSON. */
final class Handler {
    private static final String CONTEXT = "com.amazonaws.services.lambda.runtime.Context";

    private final Object target;
    private final Method method;
    private final Class<?>[] types;
    private final boolean hasContext;

    private Handler(Object target, Method method) {
        this.target = target;
        this.method = method;
        types = method.getParameterTypes();
        hasContext = takesContext(method);
    }

    /** Load the class from `root` and `root/lib/*.jar`, make an instance if the method needs one. */
    static Handler load(String name, String root) throws Throwable {
        String[] parts = name.split("::", 2);
        ClassLoader loader = new URLClassLoader(path(new File(root)), Handler.class.getClassLoader());
        Thread.currentThread().setContextClassLoader(loader);
        Class<?> type;
        try {
            type = Class.forName(parts[0], true, loader);
        } catch (ClassNotFoundException error) {
            throw new ClassNotFoundException("Class not found: " + parts[0]);
        } catch (ExceptionInInitializerError error) {
            throw error.getCause();
        }
        Method method = choose(type, parts.length == 2 ? parts[1] : "handleRequest");
        method.setAccessible(true);
        if (Modifier.isStatic(method.getModifiers())) return new Handler(null, method);
        try {
            return new Handler(type.getConstructor().newInstance(), method);
        } catch (NoSuchMethodException error) {
            throw new NoSuchMethodException("Class " + type.getName() + " has no public zero-argument constructor");
        } catch (InvocationTargetException error) {
            throw error.getCause();
        }
    }

    /** Call the handler; return the response. Throws what the handler throws. */
    byte[] call(byte[] event, Context context) throws Throwable {
        ByteArrayOutputStream streamed = new ByteArrayOutputStream();
        List<Object> values = new ArrayList<>();
        int last = types.length - (hasContext ? 1 : 0);
        if (isStream()) {
            values.add(new ByteArrayInputStream(event));
            if (last == 2) values.add(streamed);
        } else if (last == 1) {
            Object value = Json.read(new String(event, StandardCharsets.UTF_8));
            values.add(Json.as(value, method.getGenericParameterTypes()[0]));
        }
        if (hasContext) values.add(context.as(types[types.length - 1]));
        Object result;
        try {
            result = method.invoke(target, values.toArray());
        } catch (InvocationTargetException error) {
            throw error.getCause();
        }
        if (isStream() && last == 2) return streamed.toByteArray();
        return Json.write(result).getBytes(StandardCharsets.UTF_8);
    }

    private boolean isStream() {
        return types.length > 0 && types[0] == InputStream.class;
    }

    private static URL[] path(File root) throws Exception {
        List<URL> urls = new ArrayList<>(List.of(root.toURI().toURL()));
        File[] libraries = new File(root, "lib").listFiles((folder, name) -> name.endsWith(".jar"));
        if (libraries != null) {
            Arrays.sort(libraries);
            for (File library : libraries) urls.add(library.toURI().toURL());
        }
        return urls.toArray(new URL[0]);
    }

    /** Of several methods of the name the one with the most parameters is the handler, as on AWS. */
    private static Method choose(Class<?> type, String name) throws NoSuchMethodException {
        Method chosen = null;
        for (Method method : type.getMethods()) {
            if (!method.getName().equals(name) || method.isBridge() || !isPossible(method)) continue;
            boolean isBetter = chosen == null || method.getParameterCount() > chosen.getParameterCount()
                || (method.getParameterCount() == chosen.getParameterCount() && takesContext(method) && !takesContext(chosen));
            if (isBetter) chosen = method;
        }
        if (chosen != null) return chosen;
        throw new NoSuchMethodException("No public method named " + name + " with appropriate method signature found on "
            + "class " + type.getName() + ". The embedded lambdatune endpoint serves (InputStream, OutputStream) and one "
            + "parameter of String, a number, boolean, Map, List or Object, each with or without Context");
    }

    private static boolean isPossible(Method method) {
        Class<?>[] types = method.getParameterTypes();
        int last = types.length - (takesContext(method) ? 1 : 0);
        if (last == 2) return types[0] == InputStream.class && types[1] == OutputStream.class;
        return last == 0 || (last == 1 && isValue(types[0]));
    }

    private static boolean isValue(Class<?> type) {
        return type.isPrimitive() || type == Object.class || type == String.class || type == Boolean.class
            || type == InputStream.class || Number.class.isAssignableFrom(type) || type == Map.class || type == List.class;
    }

    private static boolean takesContext(Method method) {
        Class<?>[] types = method.getParameterTypes();
        return types.length > 0 && types[types.length - 1].getName().equals(CONTEXT);
    }
}
