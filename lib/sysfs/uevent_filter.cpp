// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sysfs/uevent_filter.h"

#include <cerrno>
#include <cstdint>
#include <limits>
#include <linux/filter.h>
#include <string>
#include <sys/socket.h>

namespace vfiobind {
namespace {

/// Where the end of `ACTION@/devices/...` is looked for: a device behind eleven bridges still ends there. The
/// kernel makes more of each instruction, the more where net.core.bpf_jit_harden is on, and lets a
/// socket have 20 KiB in all (net.core.optmem_max before Linux 6.9).
constexpr std::uint32_t shortestHeader = 12;
constexpr std::uint32_t longestHeader = 192;
constexpr std::uint32_t everything = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint32_t high = 0x80808080;
constexpr std::uint32_t ones = 0x01010101;

/// Bytes as a load of the filter has them.
std::uint32_t bigEndian(std::string_view bytes) {
    std::uint32_t value = 0;
    for (const char byte : bytes)
        value = value << 8 | static_cast<unsigned char>(byte);
    return value;
}

std::uint16_t loadOf(std::size_t size) {
    return size == 4 ? BPF_W : size == 2 ? BPF_H : BPF_B;
}

/// Classic BPF: it knows no loops, and its conditional jumps reach 255 instructions.
class Program {
public:
    std::vector<sock_filter> code;

    void add(int operation, std::uint32_t k = 0) {
        code.push_back({.code = static_cast<std::uint16_t>(operation), .jt = 0, .jf = 0, .k = k});
    }
    /// So many instructions are passed over where the accumulator is `k`.
    void passIfEqual(std::uint32_t k, std::uint8_t count) {
        code.push_back({.code = BPF_JMP | BPF_JEQ | BPF_K, .jt = count, .jf = 0, .k = k});
    }
    /// A jump whose target comes later.
    std::size_t jump() {
        add(BPF_JMP | BPF_JA);
        return code.size() - 1;
    }
    void landHere(const std::vector<std::size_t>& jumps) {
        for (const auto from : jumps)
            code[from].k = static_cast<std::uint32_t>(code.size() - from - 1);
    }
    /// Compares the bytes at `at`, or at `at` behind X, and gives back the jumps that are taken where they
    /// differ.
    std::vector<std::size_t> compare(std::string_view bytes, std::uint32_t at, bool behindX) {
        std::vector<std::size_t> differ;
        while (!bytes.empty()) {
            const std::size_t size = bytes.size() >= 4 ? 4 : bytes.size() >= 2 ? 2 : 1;
            add(BPF_LD | loadOf(size) | (behindX ? BPF_IND : BPF_ABS), at);
            passIfEqual(bigEndian(bytes.substr(0, size)), 1);
            differ.push_back(jump());
            bytes.remove_prefix(size);
            at += static_cast<std::uint32_t>(size);
        }
        return differ;
    }
};

Program programFor(const std::vector<std::string_view>& subsystems, std::string_view action) {
    Program program;
    if (!action.empty()) {
        const auto differ = program.compare(std::string(action) + '@', 0, false);
        const auto same = program.jump();
        program.landHere(differ);
        program.add(BPF_RET | BPF_K, 0);
        program.landHere({same});
    }
    // Four bytes at a time: with its highest bit set, a byte of ASCII loses that bit by the subtraction of
    // one where it was 0, and only there.
    std::vector<std::size_t> found;
    for (std::uint32_t at = shortestHeader; at < longestHeader; at += 4) {
        program.add(BPF_LD | BPF_W | BPF_ABS, at);
        program.add(BPF_ALU | BPF_OR | BPF_K, high);
        program.add(BPF_ALU | BPF_SUB | BPF_K, ones);
        program.add(BPF_ALU | BPF_AND | BPF_K, high);
        program.passIfEqual(high, 2);
        program.add(BPF_LDX | BPF_W | BPF_IMM, at);
        found.push_back(program.jump());
    }
    program.add(BPF_RET | BPF_K, everything);
    program.landHere(found);
    std::vector<std::size_t> exact;
    for (std::uint32_t byte = 0; byte < 4; ++byte) {
        program.add(BPF_LD | BPF_B | BPF_IND, byte);
        program.passIfEqual(0, 1);
        const auto other = program.jump();
        program.add(BPF_MISC | BPF_TXA);
        program.add(BPF_ALU | BPF_ADD | BPF_K, byte);
        exact.push_back(program.jump());
        program.landHere({other});
    }
    program.add(BPF_RET | BPF_K, everything);
    program.landHere(exact);
    // Where the header is N bytes long, `SUBSYSTEM=` begins at 2 N + 17, whatever the action and the path
    // are.
    program.add(BPF_ALU | BPF_LSH | BPF_K, 1);
    program.add(BPF_ALU | BPF_ADD | BPF_K, 17);
    program.add(BPF_MISC | BPF_TAX);
    constexpr std::string_view key = "SUBSYSTEM=";
    const auto otherKey = program.compare(key, 0, true);
    const auto rightKey = program.jump();
    program.landHere(otherKey);
    program.add(BPF_RET | BPF_K, everything);
    program.landHere({rightKey});
    for (const auto subsystem : subsystems) {
        const auto differ = program.compare(std::string(subsystem) + '\0', key.size(), true);
        program.add(BPF_RET | BPF_K, everything);
        program.landHere(differ);
    }
    program.add(BPF_RET | BPF_K, 0);
    return program;
}

} // namespace

SysResult<void> hearOnlyOf(int fd, const std::vector<std::string_view>& subsystems, std::string_view action) {
    auto program = programFor(subsystems, action);
    const sock_fprog filter{.len = static_cast<unsigned short>(program.code.size()),
                            .filter = program.code.data()};
    if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) != 0)
        return std::unexpected(SysError{"setsockopt SO_ATTACH_FILTER", "a socket of uevents", errno});
    return {};
}

} // namespace vfiobind
