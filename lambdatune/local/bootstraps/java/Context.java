package lambdatune;

import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.Map;

/** What a handler can ask about a call; seen by it as the Context interface of its own aws-lambda-java-core. */
final class Context {
    private static final boolean IS_JSON = "JSON".equals(System.getenv("AWS_LAMBDA_LOG_FORMAT"));

    private final Map<String, String> headers;

    /** `headers` are those of the event, with names in lower case. */
    Context(Map<String, String> headers) {
        this.headers = headers;
    }

    Object as(Class<?> type) {
        return Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, (self, method, values) ->
            method.getName().equals("getLogger") ? logger(method.getReturnType()) : answer(self, method, values));
    }

    private Object answer(Object self, Method method, Object[] values) {
        switch (method.getName()) {
            case "getAwsRequestId": return headers.get("lambda-runtime-aws-request-id");
            case "getInvokedFunctionArn": return headers.get("lambda-runtime-invoked-function-arn");
            case "getXrayTraceId": return headers.get("lambda-runtime-trace-id");
            case "getFunctionName": return System.getenv("AWS_LAMBDA_FUNCTION_NAME");
            case "getFunctionVersion": return System.getenv("AWS_LAMBDA_FUNCTION_VERSION");
            case "getLogGroupName": return System.getenv("AWS_LAMBDA_LOG_GROUP_NAME");
            case "getLogStreamName": return System.getenv("AWS_LAMBDA_LOG_STREAM_NAME");
            case "getMemoryLimitInMB": return Integer.valueOf(System.getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"));
            case "getRemainingTimeInMillis":
                return (int) (Long.parseLong(headers.get("lambda-runtime-deadline-ms")) - System.currentTimeMillis());
            case "equals": return self == values[0];
            case "hashCode": return System.identityHashCode(self);
            case "toString": return "Context of " + headers.get("lambda-runtime-aws-request-id");
            default: return null;  // getIdentity, getClientContext, getTenantId
        }
    }

    private Object logger(Class<?> type) {
        return Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, (self, method, values) -> {
            if (!method.getName().equals("log")) return answer(self, method, values);
            Object message = values[0];
            String text = message instanceof byte[] ? new String((byte[]) message, StandardCharsets.UTF_8) : "" + message;
            System.out.println(IS_JSON ? line(text, values) : text.stripTrailing());
            return null;
        });
    }

    private String line(String text, Object[] values) {
        Map<String, Object> members = new LinkedHashMap<>();
        members.put("timestamp", Instant.now().toString());
        members.put("message", text);
        if (values.length > 1) members.put("level", String.valueOf(values[1]));
        members.put("AWSRequestId", headers.get("lambda-runtime-aws-request-id"));
        return Json.write(members);
    }
}
