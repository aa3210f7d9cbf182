/* SPDX-License-Identifier: MIT */
/* What a value of the configuration may look like, and putting it where it belongs. */
#ifndef HUB_CONFVALUE_H
#define HUB_CONFVALUE_H

#include "hub/confkeys.h"

/* Digits and a unit: ms, s, m, h or d; several of them, the larger first; 0 needs none. */
bool confvalue_duration(uint64_t *ms, const char *text, size_t len);
/* Digits, and KiB, MiB or GiB behind them; without: bytes. */
bool confvalue_size(uint64_t *bytes, const char *text, size_t len);

/* Puts one text into the field of `base`: of a key that is no list and no section. 0; DUET_ERR_NOMEM; or
 * DUET_ERR_INVALID, and then what is expected in `why`. */
int confvalue_take(const struct confkey *key, void *base, const char *text, size_t len, char why[CONFIG_WHY]);
/* Adds one text to a list (CONF_LIST, CONF_WORDS); confvalue_clear() comes first. */
int confvalue_add(const struct confkey *key, void *base, const char *text, size_t len, char why[CONFIG_WHY]);
int confvalue_clear(const struct confkey *key, void *base, char why[CONFIG_WHY]);

/* The text that was taken or added last; NULL: the field has none. */
const char *confvalue_text(const struct confkey *key, const void *base);

/* Frees what it has; the field is then NULL. */
void confvalue_free(const struct confkey *key, void *base);
bool confvalue_equal(const struct confkey *key, const void *a, const void *b);

/* Says what a key takes. DUET_ERR_INVALID. */
int confvalue_expect(const struct confkey *key, char why[CONFIG_WHY]);

/* The key of this name; NULL: there is none. */
const struct confkey *confkey_find(const struct confkey *keys, const char *name, size_t len);
/* The key whose name is the nearest; NULL: none is near. */
const struct confkey *confkey_nearest(const struct confkey *keys, const char *name, size_t len);

#endif
