/* SPDX-License-Identifier: MIT */
/* Tags filters: whatever JSON it is, it is a filter or a bad request; and a filter in a `not` passes exactly what it
 * does not pass itself. The first byte says where the filter ends and the tags begin. */
#include "fuzz.h"
#include "hub/codes.h"
#include "hub/filter.h"

/* In a `not`, where there is room for one more node around it. */
static void check_not(struct json_slice json, const struct filter_tags *tags, bool passes)
{
    struct filter *f;
    struct json_slice whole;
    char *text = malloc(json.len + 40);
    int n = sprintf(text, "{\"op\":\"not\",\"nodes\":[%.*s]}", (int)json.len, json.text);
    CHECK(json_check(text, (size_t)n, 512, &whole));
    if (filter_new(&f, whole) == HUB_OK) {
        CHECK(filter_passes(f, tags) == !passes);
        filter_free(f);
    }
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct json_slice json, tags_json;
    struct filter *f;
    struct filter_tags tags;
    if (size < 1)
        return 0;
    size_t len = (size - 1) * data[0] / 256;
    char *text = exactly(data + 1, len), *tags_text = exactly(data + 1 + len, size - 1 - len);
    if (json_check(text, len, 500, &json) && json_check(tags_text, size - 1 - len, 500, &tags_json)) {
        int rc = filter_new(&f, json);
        CHECK(rc == HUB_OK || rc == HUB_ERROR_BAD_REQUEST);
        int tags_rc = filter_tags_read(&tags, tags_json);
        CHECK(tags_rc == HUB_OK || tags_rc == HUB_ERROR_BAD_REQUEST);
        if (rc == HUB_OK && tags_rc == HUB_OK)
            check_not(json, &tags, filter_passes(f, &tags));
        filter_tags_fini(&tags);
        if (rc == HUB_OK)
            filter_free(f);
    }
    free(text);
    free(tags_text);
    return 0;
}
