/* SPDX-License-Identifier: MIT */
/* MemorySanitizer does not see what libraries write that it did not compile. The linker puts these in front of them
 * (-Wl,--wrap); they say what was written. */
#include <openssl/evp.h>
#include <sanitizer/msan_interface.h>
#include <zlib.h>

int __real_inflate(z_stream *z, int flush);
int __real_deflate(z_stream *z, int flush);
int __wrap_inflate(z_stream *z, int flush);
int __wrap_deflate(z_stream *z, int flush);

static int written(int (*real)(z_stream *, int), z_stream *z, int flush)
{
    Bytef *from = z->next_out;
    __msan_check_mem_is_initialized(z->next_in, z->avail_in);
    int rc = real(z, flush);
    __msan_unpoison(z, sizeof(*z));
    __msan_unpoison(from, (size_t)(z->next_out - from));
    return rc;
}

int __wrap_inflate(z_stream *z, int flush)
{
    return written(__real_inflate, z, flush);
}

int __wrap_deflate(z_stream *z, int flush)
{
    return written(__real_deflate, z, flush);
}

unsigned char *__real_SHA1(const unsigned char *data, size_t len, unsigned char *out);
unsigned char *__wrap_SHA1(const unsigned char *data, size_t len, unsigned char *out);

unsigned char *__wrap_SHA1(const unsigned char *data, size_t len, unsigned char *out)
{
    __msan_check_mem_is_initialized(data, len);
    __msan_scoped_disable_interceptor_checks(); /* it calls strlen() and others on memory of its own */
    unsigned char *rc = __real_SHA1(data, len, out);
    __msan_scoped_enable_interceptor_checks();
    __msan_unpoison(out, 20);
    return rc;
}

int __real_EVP_EncodeBlock(unsigned char *to, const unsigned char *from, int n);
int __real_EVP_DecodeBlock(unsigned char *to, const unsigned char *from, int n);
int __wrap_EVP_EncodeBlock(unsigned char *to, const unsigned char *from, int n);
int __wrap_EVP_DecodeBlock(unsigned char *to, const unsigned char *from, int n);

int __wrap_EVP_EncodeBlock(unsigned char *to, const unsigned char *from, int n)
{
    int rc = __real_EVP_EncodeBlock(to, from, n);
    __msan_unpoison(to, (size_t)rc + 1);
    return rc;
}

int __wrap_EVP_DecodeBlock(unsigned char *to, const unsigned char *from, int n)
{
    int rc = __real_EVP_DecodeBlock(to, from, n);
    if (rc > 0)
        __msan_unpoison(to, (size_t)rc);
    return rc;
}
