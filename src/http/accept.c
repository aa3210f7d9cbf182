/* SPDX-License-Identifier: MIT */
#include "http/accept.h"

#include <string.h>

#include "http/field.h"

/* RFC 9110 12.4.2: 0 or 1 and up to three decimals, in thousandths; -1 when malformed. */
static int parse_weight(const char *s)
{
    size_t len = strlen(s);
    if (len > 5 || (s[0] != '0' && s[0] != '1') || (len > 1 && s[1] != '.'))
        return -1;
    int value = (s[0] - '0') * 1000, unit = 100;
    for (size_t i = 2; i < len; i++, unit /= 10) {
        if (s[i] < '0' || s[i] > '9')
            return -1;
        value += (s[i] - '0') * unit;
    }
    return value <= 1000 ? value : -1;
}

/* The weight of an element, and its name; -1 when it is malformed. */
static int element_weight(struct http_text element, struct http_text *name)
{
    struct http_text parameter;
    char value[8];
    bool has_value;
    if (http_param_first(&element, name) != 1)
        return -1;
    int rc = http_param_next(&element, &parameter, value, sizeof(value), &has_value);
    if (rc == 0)
        return 1000;
    if (rc < 0 || !has_value || !http_text_is(parameter, "q") || element.len > 0)
        return -1;
    return parse_weight(value);
}

unsigned http_accept_encoding(const struct http_head *head, const char *data, const char *coding)
{
    struct http_text rest, element, name;
    unsigned from = 0;
    int any = -1;
    while (http_head_next(head, data, "accept-encoding", &from, &rest.at, &rest.len))
        while (http_list_next(&rest, &element) > 0) {
            int weight = element_weight(element, &name);
            if (weight >= 0 && http_text_is(name, coding))
                return (unsigned)weight;
            if (weight >= 0 && any < 0 && http_text_is(name, "*"))
                any = weight;
        }
    if (any >= 0)
        return (unsigned)any;
    return strcmp(coding, "identity") == 0 ? 1 : 0;
}
