/* SPDX-License-Identifier: MIT */
/* Lists, parameters and hosts stay within their bytes, and a value within its buffer. */
#include "fuzz.h"
#include "http/field.h"
#include "http/host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_text rest = {(const char *)data, size}, element, name;
    while (http_list_next(&rest, &element) == 1) {
        CHECK(element.at >= (const char *)data && element.at + element.len <= (const char *)data + size);
        struct http_text part = element;
        char value[16];
        bool has_value;
        if (http_param_first(&part, &name) != 1)
            continue;
        CHECK(http_is_token(name.at, name.len));
        while (http_param_next(&part, &name, value, sizeof(value), &has_value) == 1)
            CHECK(!has_value || strlen(value) < sizeof(value));
    }
    struct http_host host;
    if (http_host_parse((const char *)data, size, &host))
        CHECK(host.name.len > 0 && host.name.len <= size);
    return 0;
}
