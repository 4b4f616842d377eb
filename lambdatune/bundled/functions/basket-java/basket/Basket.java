package basket;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The price of a basket, in Java: the same job as the other `basket` samples.
 *
 * <p>The class file beside this is made of it by `javac -source 11 -target 11 -g:none`.
 */
public final class Basket {
    private static final int[] TAX_PERCENT = {7, 7, 19};
    private static final String[] KINDS = {"books", "food", "toys"};
    private static final int[] CENTS = new int[4_000];

    static {
        for (int number = 0; number < CENTS.length; number++) CENTS[number] = 100 + number * 7919 % 9973;
    }

    public static Map<String, Object> handle(Map<String, Object> event) {
        Object given = event.get("items");
        int items = given == null ? 50_000 : ((Number) given).intValue();
        long total = 0;
        long checksum = 0;
        long[] byKind = new long[3];
        for (int line = 0; line < items; line++) {
            int number = (int) (line * 613L % 4_000);
            int kind = number % 3;
            long gross = (long) CENTS[number] * (1 + line % 3) * (100 + TAX_PERCENT[kind]) / 100;
            total += gross;
            byKind[kind] += gross;
            checksum = (checksum * 31 + gross) % 1_000_003;
        }
        Map<String, Object> kinds = new LinkedHashMap<>();
        for (int kind = 0; kind < 3; kind++) kinds.put(KINDS[kind], byKind[kind]);
        Map<String, Object> result = new LinkedHashMap<>();
        result.put("items", items);
        result.put("total_cents", total);
        result.put("by_kind", kinds);
        result.put("checksum", checksum);
        return result;
    }
}
