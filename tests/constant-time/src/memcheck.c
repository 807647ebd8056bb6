/* What tells memcheck that bytes are secret: it reports whatever branches on undefined bytes, or looks up
   memory by them. Outside valgrind these do nothing. */
#include <stddef.h>
#include <valgrind/memcheck.h>
#include <valgrind/valgrind.h>

int inhook_on_valgrind(void) { return RUNNING_ON_VALGRIND; }

void inhook_secret(const void *bytes, size_t length) {
    VALGRIND_MAKE_MEM_UNDEFINED(bytes, length);
}

void inhook_public(const void *bytes, size_t length) {
    VALGRIND_MAKE_MEM_DEFINED(bytes, length);
}
