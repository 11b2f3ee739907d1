// What it is: see syscall_filter.h. The filter is a list of comparisons, made from the table of calls.
#include "os/syscall_filter.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstddef>

namespace itk2::os {

namespace {

#if defined(__x86_64__)
constexpr std::uint32_t own_architecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t own_architecture = AUDIT_ARCH_AARCH64;
#elif defined(__i386__)
constexpr std::uint32_t own_architecture = AUDIT_ARCH_I386;
#elif defined(__arm__)
constexpr std::uint32_t own_architecture = AUDIT_ARCH_ARM;
#elif defined(__riscv) && __riscv_xlen == 64
constexpr std::uint32_t own_architecture = AUDIT_ARCH_RISCV64;
#elif defined(__s390x__)
constexpr std::uint32_t own_architecture = AUDIT_ARCH_S390X;
#elif defined(__powerpc64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
constexpr std::uint32_t own_architecture = AUDIT_ARCH_PPC64LE;
#else
constexpr std::uint32_t own_architecture = 0; // unknown: no filter
#endif

constexpr bool is_little_endian = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;

constexpr std::uint32_t low_half(unsigned argument) {
    return static_cast<std::uint32_t>(offsetof(seccomp_data, args)) + argument * 8 + (is_little_endian ? 0 : 4);
}
constexpr std::uint32_t high_half(unsigned argument) {
    return static_cast<std::uint32_t>(offsetof(seccomp_data, args)) + argument * 8 + (is_little_endian ? 4 : 0);
}

class Program {
  public:
    Program() {
        load(offsetof(seccomp_data, arch));
        add(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, own_architecture, 1, 0));
        kill();
        load(offsetof(seccomp_data, nr));
#if defined(__x86_64__)
        // The x32 calls are the same ones under other numbers.
        add(BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000u, 0, 1));
        kill();
#endif
    }

    void allow(const AllowedCall &call) {
        const std::size_t first = size_;
        add(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(call.number), 0, 0));
        std::array<std::size_t, 8> refusals{};
        std::size_t count = 0;
        for (const ArgumentRule &rule : {call.first, call.second}) count = check(rule, refusals, count);
        add(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
        // The next call's comparison begins with the number.
        const std::size_t next = size_;
        load(offsetof(seccomp_data, nr));
        if (has_failed_) return;
        code_[first].jf = static_cast<std::uint8_t>(next - first - 1);
        for (std::size_t i = 0; i < count; i++) mend(refusals[i], next);
    }

    void finish() { kill(); }

    [[nodiscard]] bool has_failed() const { return has_failed_; }
    sock_fprog view() { return {static_cast<unsigned short>(size_), code_.data()}; }

  private:
    void add(sock_filter instruction) {
        if (size_ < code_.size())
            code_[size_++] = instruction;
        else
            has_failed_ = true;
    }
    void load(std::size_t offset) { add(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset))); }
    void kill() { add(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)); }

    // Each refusal is a jump whose target is set afterwards: on "no" for comparisons, on "yes" for bits.
    std::size_t check(const ArgumentRule &rule, std::array<std::size_t, 8> &refusals, std::size_t count) {
        switch (rule.kind) {
        case ArgumentRule::Kind::any: return count;
        case ArgumentRule::Kind::null:
            load(high_half(rule.argument));
            refusals[count++] = size_;
            add(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 0));
            [[fallthrough]];
        case ArgumentRule::Kind::equals:
            load(low_half(rule.argument));
            refusals[count++] = size_;
            add(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, rule.value, 0, 0));
            return count;
        case ArgumentRule::Kind::without_bits:
            load(low_half(rule.argument));
            refusals[count++] = size_;
            add(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, rule.value, 0, 0));
            return count;
        }
        return count;
    }
    void mend(std::size_t place, std::size_t target) {
        const auto distance = static_cast<std::uint8_t>(target - place - 1);
        if (BPF_OP(code_[place].code) == BPF_JSET)
            code_[place].jt = distance;
        else
            code_[place].jf = distance;
    }

    std::array<sock_filter, 512> code_{};
    std::size_t size_ = 0;
    bool has_failed_ = false;
};

} // namespace

Result allow_only(std::span<const AllowedCall> allowed, bool &missing) {
    missing = own_architecture == 0 || prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0;
    if (missing) return success;
    Program program;
    for (const AllowedCall &call : allowed) program.allow(call);
    program.finish();
    if (program.has_failed()) return refused(Step::filter_calls, E2BIG);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failed(Step::filter_calls);
    sock_fprog filter = program.view();
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) != 0) {
        missing = errno == ENOSYS;
        return missing ? success : failed(Step::filter_calls);
    }
    return verify_filtered();
}

Result verify_filtered() {
    const int mode = prctl(PR_GET_SECCOMP, 0, 0, 0, 0);
    if (mode < 0) return failed(Step::filter_calls);
    return mode == SECCOMP_MODE_FILTER ? success : refused(Step::filter_calls);
}

} // namespace itk2::os
