package lookup;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Looks things up elsewhere, in Java: I/O-bound. It waits as for a database, and computes next to nothing.
 *
 * <p>The class file beside this is made of it by `javac -source 11 -target 11 -g:none`.
 */
public final class Lookup {
    public static Map<String, Object> handle(Map<String, Object> event) throws InterruptedException {
        List<Object> found = new ArrayList<>();
        int lookups = number(event, "lookups", 2);
        for (int key = 0; key < lookups; key++) {
            Thread.sleep(number(event, "wait_ms", 20));
            Map<String, Object> entry = new LinkedHashMap<>();
            entry.put("key", key);
            entry.put("value", key * key);
            found.add(entry);
        }
        Map<String, Object> result = new LinkedHashMap<>();
        result.put("found", found);
        return result;
    }

    private static int number(Map<String, Object> event, String name, int otherwise) {
        Object given = event.get(name);
        return given == null ? otherwise : ((Number) given).intValue();
    }
}
