package lambdatune;

import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * The Java runtime client: runs beside the function's classes and speaks the Lambda Runtime API over one socket.
 *
 * <p>Compiled by the endpoint with the Java that runs it, 11 or later.
 */
public final class Bootstrap {
    private static final String PREFIX = "/2018-06-01/runtime/";
    private static final String NEXT = "GET " + PREFIX + "invocation/next HTTP/1.1\r\nHost: lambda\r\n\r\n";

    private final DataInputStream in;
    private final OutputStream out;
    private Map<String, String> headers;

    private Bootstrap(Socket socket) throws IOException {
        socket.setTcpNoDelay(true);
        in = new DataInputStream(new BufferedInputStream(socket.getInputStream(), 65_536));
        out = socket.getOutputStream();
    }

    public static void main(String[] arguments) throws IOException {
        System.setOut(new PrintStream(
            new BufferedOutputStream(new FileOutputStream(FileDescriptor.out)), true, StandardCharsets.UTF_8));
        System.setErr(System.out);
        String[] address = System.getenv("AWS_LAMBDA_RUNTIME_API").split(":");
        try (Socket socket = new Socket(address[0], Integer.parseInt(address[1]))) {
            new Bootstrap(socket).run();
        }
        System.exit(1);
    }

    private void run() throws IOException {
        Handler handler = null;
        try {
            handler = Handler.load(System.getenv("_HANDLER"), System.getenv("LAMBDA_TASK_ROOT"));
        } catch (Throwable error) {
            log(error);
            post("init/error", errorDocument(error), "Runtime.BadFunctionCode", "");
            receive();
            System.exit(1);
        }
        out.write(NEXT.getBytes(StandardCharsets.ISO_8859_1));
        while (true) {
            byte[] event = receive();
            if (event == null) return;
            String id = headers.get("lambda-runtime-aws-request-id");
            if (id != null) serve(handler, id, event);  // anything else is the receipt of our last answer
        }
    }

    private void serve(Handler handler, String id, byte[] event) throws IOException {
        String trace = headers.get("lambda-runtime-trace-id");
        if (trace != null) System.setProperty("com.amazonaws.xray.traceHeader", trace);
        try {
            byte[] response = handler.call(event, new Context(headers));
            System.out.flush();
            post("invocation/" + id + "/response", response, null, NEXT);
        } catch (Throwable error) {
            log(error);
            boolean isFatal = error instanceof VirtualMachineError;
            post("invocation/" + id + "/error", errorDocument(error), "Unhandled", isFatal ? "" : NEXT);
            if (isFatal) {
                receive();
                System.exit(1);
            }
        }
    }

    /** Read the next answer: its headers, names in lower case, and its body; null when the endpoint has gone. */
    private byte[] receive() throws IOException {
        headers = new HashMap<>();
        for (String line = line(); !line.isEmpty(); line = line()) {
            int colon = line.indexOf(':');
            if (colon > 0) headers.put(line.substring(0, colon).toLowerCase(Locale.ROOT), line.substring(colon + 1).trim());
            else if (!line.startsWith("HTTP/")) return null;
        }
        byte[] body = new byte[Integer.parseInt(headers.getOrDefault("content-length", "0"))];
        in.readFully(body);
        return body;
    }

    private String line() throws IOException {
        StringBuilder line = new StringBuilder();
        for (int each = in.read(); each != '\n'; each = in.read()) {
            if (each < 0) System.exit(1);
            if (each != '\r') line.append((char) each);
        }
        return line.toString();
    }

    private void post(String route, byte[] body, String errorType, String then) throws IOException {
        String error = errorType == null ? "" : "Lambda-Runtime-Function-Error-Type: " + errorType + "\r\n";
        byte[] head = ("POST " + PREFIX + route + " HTTP/1.1\r\nHost: lambda\r\n" + error + "Content-Length: "
            + body.length + "\r\n\r\n").getBytes(StandardCharsets.ISO_8859_1);
        byte[] tail = then.getBytes(StandardCharsets.ISO_8859_1);
        byte[] whole = new byte[head.length + body.length + tail.length];
        System.arraycopy(head, 0, whole, 0, head.length);
        System.arraycopy(body, 0, whole, head.length, body.length);
        System.arraycopy(tail, 0, whole, head.length + body.length, tail.length);
        out.write(whole);
    }

    private static byte[] errorDocument(Throwable error) {
        return Json.write(described(error, 0)).getBytes(StandardCharsets.UTF_8);
    }

    private static Map<String, Object> described(Throwable error, int depth) {
        Map<String, Object> members = new LinkedHashMap<>();
        members.put("errorMessage", error.getMessage() == null ? error.toString() : error.getMessage());
        members.put("errorType", error.getClass().getName());
        members.put("stackTrace", frames(error));
        if (error.getCause() != null && depth < 8) members.put("cause", described(error.getCause(), depth + 1));
        return members;
    }

    /** Return the frames of the function: what is below its handler is ours. */
    private static List<String> frames(Throwable error) {
        List<String> frames = new ArrayList<>();
        for (StackTraceElement frame : error.getStackTrace()) {
            if (frame.getClassName().startsWith("lambdatune.")) break;
            frames.add(frame.toString());
        }
        while (!frames.isEmpty() && frames.get(frames.size() - 1).matches("(java\\.base/)?(jdk\\.internal|java\\.lang)\\.reflect\\..*"))
            frames.remove(frames.size() - 1);
        return frames;
    }

    private static void log(Throwable error) {
        StringWriter trace = new StringWriter();
        error.printStackTrace(new PrintWriter(trace));
        System.out.println(error.getMessage() + ": " + error.getClass().getName() + "\n" + trace.toString().stripTrailing());
        System.out.flush();
    }
}
