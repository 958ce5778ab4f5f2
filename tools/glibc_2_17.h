/* Included by tools/wheels.py before all else: what glibc 2.29, 2.32 and 2.34 gave a new
   version is linked in its old one, so that a wheel runs on every Linux since 2014
   (manylinux_2_17). They do the same; the old exp sets errno besides. */
#if defined(__x86_64__)
#define OLD(name, version) __asm__(".symver " #name ", " #name "@GLIBC_" version)
OLD(exp, "2.2.5");
OLD(pthread_create, "2.2.5");
OLD(pthread_join, "2.2.5");
OLD(pthread_attr_setaffinity_np, "2.3.4");
#elif defined(__aarch64__)
#define OLD(name) __asm__(".symver " #name ", " #name "@GLIBC_2.17")
OLD(exp);
OLD(pthread_create);
OLD(pthread_join);
OLD(pthread_attr_setaffinity_np);
#endif
