// SPDX-License-Identifier: LGPL-2.1-or-later
#include "config/virtualization.h"

#include "config/read_file.h"

#include <array>
#include <cstring>
#include <utility>

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif

namespace vfiobind {
namespace {

using Table = std::pair<std::string_view, std::string_view>;

// Both as systemd has them (src/basic/virt.c).
constexpr std::array<Table, 16> dmiTable{{{"KVM", "kvm"},
                                          {"OpenStack", "kvm"},
                                          {"KubeVirt", "kvm"},
                                          {"Amazon EC2", "amazon"},
                                          {"QEMU", "qemu"},
                                          {"VMware", "vmware"},
                                          {"VMW", "vmware"},
                                          {"innotek GmbH", "oracle"},
                                          {"VirtualBox", "oracle"},
                                          {"Xen", "xen"},
                                          {"Bochs", "bochs"},
                                          {"Parallels", "parallels"},
                                          {"BHYVE", "bhyve"},
                                          {"Hyper-V", "microsoft"},
                                          {"Apple Virtualization", "apple"},
                                          {"Google Compute Engine", "google"}}};
constexpr std::array<Table, 11> cpuidTable{{{"XenVMMXenVMM", "xen"},
                                            {"KVMKVMKVM", "kvm"},
                                            {"Linux KVM Hv", "kvm"},
                                            {"TCGTCGTCGTCG", "qemu"},
                                            {"VMwareVMware", "vmware"},
                                            {"Microsoft Hv", "microsoft"},
                                            {"bhyve bhyve ", "bhyve"},
                                            {"QNXQVMBSQG", "qnx"},
                                            {"ACRNACRNACRN", "acrn"},
                                            {"SRESRESRESRE", "sre"},
                                            {"Apple VZ", "apple"}}};

std::string_view ofDmiFiles() {
    for (const auto* file : {"product_name", "sys_vendor", "board_vendor", "bios_vendor", "product_version"})
        if (const auto text = readWholeFile(std::string("/sys/class/dmi/id/") + file))
            if (const auto kind = virtualizationOfDmi(*text); !kind.empty())
                return kind;
    return {};
}

/// Empty on bare metal, and where the processor does not tell.
std::string_view ofProcessor() {
#if defined(__x86_64__) || defined(__i386__)
    unsigned eax = 0;
    unsigned ebx = 0;
    unsigned ecx = 0;
    unsigned edx = 0;
    constexpr unsigned hypervisorBit = 1U << 31;
    if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) == 0 || (ecx & hypervisorBit) == 0)
        return {};
    __cpuid(0x40000000, eax, ebx, ecx, edx);
    std::array<char, 13> signature{};
    std::memcpy(signature.data(), &ebx, 4);
    std::memcpy(signature.data() + 4, &ecx, 4);
    std::memcpy(signature.data() + 8, &edx, 4);
    const auto kind = virtualizationOfCpuid(signature.data());
    return kind.empty() ? "vm-other" : kind;
#else
    return {};
#endif
}

} // namespace

std::string_view virtualizationOfDmi(std::string_view text) {
    for (const auto& [prefix, kind] : dmiTable)
        if (text.starts_with(prefix))
            return kind;
    return {};
}

std::string_view virtualizationOfCpuid(std::string_view signature) {
    for (const auto& [text, kind] : cpuidTable)
        if (signature == text)
            return kind;
    return {};
}

std::string detectVirtualization() {
    const auto dmi = ofDmiFiles();
    // These pass the processor's answer of another hypervisor on.
    for (const std::string_view sure : {"oracle", "xen", "amazon", "parallels", "google"})
        if (dmi == sure)
            return std::string(dmi);
    const auto processor = ofProcessor();
    if (!processor.empty() && processor != "vm-other")
        return std::string(processor);
    if (!dmi.empty())
        return std::string(dmi);
    if (const auto type = readWholeFile("/sys/hypervisor/type"); type && type->starts_with("xen"))
        return "xen";
    return processor.empty() ? "none" : std::string(processor);
}

} // namespace vfiobind
