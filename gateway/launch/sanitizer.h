/*
 * SANITIZER is defined where AddressSanitizer or ThreadSanitizer is compiled in:
 * they reserve terabytes for themselves, and the leak checker traces its process.
 */
#ifndef SLUICE_LAUNCH_SANITIZER_H
#define SLUICE_LAUNCH_SANITIZER_H

#if defined(__has_feature)
#    if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#        define SANITIZER 1
#    endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#    define SANITIZER 1
#endif

#endif
