# What configure.ac asks of the compiler and of httpd.

# ITK2_FLAG_IF_TAKEN(VARIABLE, FLAG): appends FLAG where the C++ compiler takes it without a word.
AC_DEFUN([ITK2_FLAG_IF_TAKEN], [
    AC_MSG_CHECKING([whether $CXX takes $2])
    itk2_saved_flags=$CXXFLAGS
    CXXFLAGS="$CXXFLAGS -Werror $2"
    AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[#include <cstdio>]], [[std::puts("");]])],
        [AC_MSG_RESULT([yes]); AS_VAR_APPEND([$1], [" $2"])],
        [AC_MSG_RESULT([no])])
    CXXFLAGS=$itk2_saved_flags
    AC_SUBST([$1])
])

# ITK2_LINK_FLAG_IF_TAKEN(VARIABLE, FLAG): the same for the linker.
AC_DEFUN([ITK2_LINK_FLAG_IF_TAKEN], [
    AC_MSG_CHECKING([whether the linker takes $2])
    itk2_saved_flags=$LDFLAGS
    LDFLAGS="$LDFLAGS $2"
    AC_LINK_IFELSE([AC_LANG_PROGRAM()],
        [AC_MSG_RESULT([yes]); AS_VAR_APPEND([$1], [" $2"])],
        [AC_MSG_RESULT([no])])
    LDFLAGS=$itk2_saved_flags
    AC_SUBST([$1])
])

# The parts of C++20 the sources stand on, each used once.
AC_DEFUN([ITK2_CXX20], [
    # A part of the compiler's name, so that `make CXXFLAGS=-O0` keeps it.
    CXX="$CXX -std=c++20"
    AC_MSG_CHECKING([whether $CXX speaks enough C++20])
    AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[
            #include <array>
            #include <cstdint>
            #include <optional>
            #include <span>
            struct Place {
                int x = 0;
                int y = 0;
                friend constexpr bool operator==(Place, Place) = default;
            };
            constexpr Place place{.x = 1, .y = 2};
            constexpr std::array numbers{1, 2, 3};
            consteval int first(std::span<const int> of) { return of.front(); }
            template <typename T> concept Small = sizeof(T) <= 4;
            template <Small T> constexpr T twice(T value) { return value + value; }
            enum class Id : std::uint32_t {};
            static_assert(place == Place{1, 2} && first(numbers) == 1 && twice(2) == 4);
            static_assert([] { for (const int n : numbers) if (n == 0) return false; return true; }());
        ]], [[std::optional<Id> id{Id{3}}; return id.has_value() ? 0 : 1;]])],
        [AC_MSG_RESULT([yes])],
        [AC_MSG_RESULT([no])
         AC_MSG_ERROR([$CXX is too old: g++ 12 or clang++ 14 is needed])])
])

# Python 3 runs the guards of `make check`; nothing that is installed needs it.
AC_DEFUN([ITK2_PYTHON], [
    AC_PATH_PROGS([PYTHON], [python3], [no])
    AM_CONDITIONAL([HAVE_PYTHON], [test "$PYTHON" != no])
])

# Where httpd's headers are, where its modules go, and whether it is new enough.
AC_DEFUN([ITK2_HTTPD], [
    AS_IF([test -n "$with_apxs" && test "$with_apxs" != yes], [APXS=$with_apxs],
        [AC_PATH_PROGS([APXS], [apxs apxs2], [no], [$PATH$PATH_SEPARATOR/usr/sbin$PATH_SEPARATOR/usr/local/apache2/bin])])
    AS_IF([test ! -x "$APXS"],
        [AC_MSG_ERROR([apxs is missing (Debian: apache2-dev; elsewhere: --with-apxs=PATH)])])
    httpd_includedir=$("$APXS" -q INCLUDEDIR)
    APR_CONFIG=$("$APXS" -q APR_CONFIG 2>/dev/null)
    AS_IF([test ! -x "$APR_CONFIG"], [AC_PATH_PROGS([APR_CONFIG], [apr-1-config], [no])])
    AS_IF([test ! -x "$APR_CONFIG"], [AC_MSG_ERROR([apr-1-config is missing (Debian: libapr1-dev)])])
    AC_PATH_PROGS([APU_CONFIG], [apu-1-config], [no], [$(dirname "$APR_CONFIG")$PATH_SEPARATOR$PATH])
    AS_IF([test "$APU_CONFIG" = no], [AC_MSG_ERROR([apu-1-config is missing (Debian: libaprutil1-dev)])])

    # As system headers: what they do is not for our warnings to judge.
    HTTPD_CPPFLAGS="-isystem $httpd_includedir"
    for itk2_flag in $("$APR_CONFIG" --cppflags --includes) $("$APU_CONFIG" --includes); do
        AS_CASE([$itk2_flag],
            [-I/usr/include], [],
            [-I*], [HTTPD_CPPFLAGS="$HTTPD_CPPFLAGS -isystem ${itk2_flag@%:@-I}"],
            [-D_GNU_SOURCE], [],
            [HTTPD_CPPFLAGS="$HTTPD_CPPFLAGS $itk2_flag"])
    done
    HTTPD_CPPFLAGS="$HTTPD_CPPFLAGS -DAP_HAVE_DESIGNATED_INITIALIZER"
    AC_SUBST([HTTPD_CPPFLAGS])

    AC_MSG_CHECKING([for httpd 2.4.37 or later])
    itk2_saved_flags=$CPPFLAGS
    CPPFLAGS="$CPPFLAGS -D_GNU_SOURCE $HTTPD_CPPFLAGS"
    AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[
            #include "httpd.h"
            #include "ap_mmn.h"
            #if MODULE_MAGIC_NUMBER_MAJOR != 20120211 || MODULE_MAGIC_NUMBER_MINOR < 83
            #error too old
            #endif
        ]])],
        [httpd_version=$(sed -n 's/^#define AP_SERVER_.*_NUMBER  *//p' "$httpd_includedir/ap_release.h" | paste -sd.)
         AC_MSG_RESULT([$httpd_version])],
        [AC_MSG_RESULT([no])
         AC_MSG_ERROR([the headers in $httpd_includedir are not those of httpd 2.4.37 or a later 2.4])])
    CPPFLAGS=$itk2_saved_flags

    AS_IF([test -n "$with_moduledir" && test "$with_moduledir" != yes],
        [moduledir=$with_moduledir], [moduledir=$("$APXS" -q LIBEXECDIR)])
    AC_SUBST([moduledir])
])

# Hardening of what is shipped; the sanitizers want none of it.
AC_DEFUN([ITK2_HARDENING], [
    AS_IF([test "$enable_sanitizers" = no && test "$enable_fuzzing" = no], [
        ITK2_FLAG_IF_TAKEN([HARDENING_FLAGS], [-fstack-protector-strong])
        ITK2_FLAG_IF_TAKEN([HARDENING_FLAGS], [-fstack-clash-protection])
        # Refused where the compiler does not optimise.
        ITK2_FLAG_IF_TAKEN([HARDENING_FLAGS], [-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2])
        ITK2_LINK_FLAG_IF_TAKEN([HARDENING_LDFLAGS], [-Wl,-z,relro])
        ITK2_LINK_FLAG_IF_TAKEN([HARDENING_LDFLAGS], [-Wl,-z,now])
    ])
    ITK2_LINK_FLAG_IF_TAKEN([PROGRAM_LDFLAGS], [-pie])
    AC_SUBST([HARDENING_FLAGS])
    AC_SUBST([HARDENING_LDFLAGS])
])

# Sets sanitized (yes or no), sanitized_with (for the summary) and SANITIZER_FLAGS.
AC_DEFUN([ITK2_SANITIZERS], [
    sanitized=no
    sanitized_with=none
    SANITIZER_FLAGS=
    FUZZER_FLAG=
    AS_IF([test "$enable_sanitizers" = yes || test "$enable_fuzzing" = yes], [
        sanitized=yes
        sanitized_with="ASan, UBSan: no module is built"
        SANITIZER_FLAGS="-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer"
        AC_MSG_CHECKING([whether $CXX links with $SANITIZER_FLAGS])
        itk2_saved_flags=$CXXFLAGS
        CXXFLAGS="$CXXFLAGS $SANITIZER_FLAGS"
        AC_LINK_IFELSE([AC_LANG_PROGRAM()], [AC_MSG_RESULT([yes])],
            [AC_MSG_RESULT([no])
             AC_MSG_ERROR([the sanitizers' run-time library is missing (Debian, for clang: libclang-rt-14-dev)])])
        CXXFLAGS=$itk2_saved_flags
    ])
    AS_IF([test "$enable_fuzzing" = yes], [
        AC_MSG_CHECKING([whether $CXX links with -fsanitize=fuzzer])
        itk2_saved_flags=$CXXFLAGS
        CXXFLAGS="$CXXFLAGS $SANITIZER_FLAGS -fsanitize=fuzzer"
        AC_LINK_IFELSE([AC_LANG_SOURCE([[
                #include <cstddef>
                #include <cstdint>
                extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *, std::size_t) { return 0; }
            ]])],
            [AC_MSG_RESULT([yes])],
            [AC_MSG_RESULT([no])
             AC_MSG_ERROR([--enable-fuzzing needs clang: ./configure CC=clang CXX=clang++ --enable-fuzzing])])
        CXXFLAGS=$itk2_saved_flags
        SANITIZER_FLAGS="$SANITIZER_FLAGS -fsanitize=fuzzer-no-link"
        FUZZER_FLAG=-fsanitize=fuzzer
        sanitized_with="ASan, UBSan, libFuzzer: no module is built"
    ])
    AC_SUBST([SANITIZER_FLAGS])
    AC_SUBST([FUZZER_FLAG])
])
