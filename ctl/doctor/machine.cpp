// SPDX-License-Identifier: LGPL-2.1-or-later
#include "doctor/machine.h"

#include "guard/command_line.h"
#include "guard/look.h"
#include "topology/topology.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sstream>

namespace vfiobind::ctl {
namespace {

Finding unreadable(std::string topic, const SysError& error) {
    return {Level::warning, std::move(topic), {}, "could not be looked at: " + error.str(), ""};
}

std::string commandLine(const Sysfs& sysfs) {
    return sysfs.read("/proc/cmdline").value_or(std::string{});
}

bool hasWord(const std::string& line, std::string_view wanted) {
    std::istringstream words(line);
    for (std::string word; words >> word;)
        if (word == wanted)
            return true;
    return false;
}

bool firmwareHas(const Sysfs& sysfs, std::string_view table) {
    return sysfs.exists(fmt::format("/sys/firmware/acpi/tables/{}", table));
}

/// What `key=a,b` says, last one first: `intel_iommu=on,sm_on`.
bool parameterHas(const std::string& line, std::string_view key, std::string_view option) {
    const auto value = kernelParameter(line, key);
    std::istringstream parts(value.value_or(std::string{}));
    for (std::string part; std::getline(parts, part, ',');)
        if (part == option)
            return true;
    return false;
}

Finding switchedOff(std::string sentence, std::string remedy) {
    return {Level::error, "iommu", {}, std::move(sentence), std::move(remedy)};
}

Finding missingIntel(const Sysfs& sysfs, const std::string& line) {
    if (!firmwareHas(sysfs, "DMAR"))
        return switchedOff(
            "there is no IOMMU: the firmware offers none (no ACPI table DMAR)",
            "switch on VT-d (Intel Virtualization Technology for Directed I/O) in the firmware's "
            "setup, often under Advanced, CPU or System Agent");
    if (parameterHas(line, "intel_iommu", "off"))
        return switchedOff("the kernel was told not to use the IOMMU (intel_iommu=off)",
                           "start with intel_iommu=on instead");
    if (parameterHas(line, "intel_iommu", "on"))
        return switchedOff("the kernel was told to use the IOMMU (intel_iommu=on) and has none",
                           "see what the kernel says: dmesg | grep -i dmar");
    return switchedOff(
        "the firmware offers an IOMMU (ACPI table DMAR) and the kernel does not use it",
        "start with the kernel parameter intel_iommu=on (in /etc/default/grub, then update-grub)");
}

Finding missingAmd(const Sysfs& sysfs, const std::string& line) {
    if (!firmwareHas(sysfs, "IVRS"))
        return switchedOff(
            "there is no IOMMU: the firmware offers none (no ACPI table IVRS)",
            "switch on IOMMU (AMD-Vi) in the firmware's setup, often under AMD CBS, NBIO; enabled, "
            "not auto");
    if (parameterHas(line, "amd_iommu", "off"))
        return switchedOff("the kernel was told not to use the IOMMU (amd_iommu=off)",
                           "start without this parameter");
    return switchedOff("the firmware offers an IOMMU (ACPI table IVRS) and the kernel does not use it",
                       "see what the kernel says: dmesg | grep -i AMD-Vi");
}

Finding missingIommu(const Sysfs& sysfs) {
    const auto line = commandLine(sysfs);
    if (parameterHas(line, "iommu", "off"))
        return switchedOff("the kernel was told not to use an IOMMU (iommu=off)",
                           "start without this parameter");
    const auto cpu = sysfs.read("/proc/cpuinfo", 1 << 20).value_or(std::string{});
    if (cpu.contains(" hypervisor") && !firmwareHas(sysfs, "DMAR") && !firmwareHas(sysfs, "IVRS"))
        return switchedOff("this is a virtual machine, and it has been given no IOMMU",
                           "give it one (QEMU: -device intel-iommu,intremap=on,caching-mode=on with "
                           "kernel-irqchip=split), and start it with intel_iommu=on");
    // In a guest the processor says little about the machine that is emulated: the tables say more.
    if (firmwareHas(sysfs, "IVRS") || (cpu.contains("AuthenticAMD") && !firmwareHas(sysfs, "DMAR")))
        return missingAmd(sysfs, line);
    if (firmwareHas(sysfs, "DMAR") || cpu.contains("GenuineIntel"))
        return missingIntel(sysfs, line);
    return switchedOff("there is no IOMMU", "switch it on in the firmware's setup, if the machine has one");
}

std::string howSwitchedOn(const std::string& kind, const std::string& line) {
    if (kind == "intel" && parameterHas(line, "intel_iommu", "on"))
        return ", switched on by intel_iommu=on";
    return ", on by the kernel's default";
}

} // namespace

Findings iommuFindings(const Sysfs& sysfs) {
    const auto kind = iommuKind(sysfs);
    if (kind == "none")
        return {missingIommu(sysfs)};
    const auto line = commandLine(sysfs);
    const auto units = listIfThere(sysfs, "/sys/class/iommu").value_or(std::vector<std::string>{});
    Findings findings{
        {Level::ok,
         "iommu",
         {},
         fmt::format("the IOMMU is {} ({}){}", kind, fmt::join(units, ", "), howSwitchedOn(kind, line)),
         ""}};
    const auto groups = listIfThere(sysfs, "/sys/kernel/iommu_groups");
    if (!groups)
        findings.push_back(unreadable("iommu", groups.error()));
    else if (groups->empty())
        findings.push_back(switchedOff("the IOMMU has made no groups, so nothing can be handed over",
                                       "see what the kernel says: dmesg | grep -i iommu"));
    if (const auto split = kernelParameter(line, "pcie_acs_override"))
        findings.push_back(
            {Level::warning,
             "iommu",
             {},
             fmt::format("the kernel was told to take devices apart that the hardware does not isolate "
                         "(pcie_acs_override={}): with the patch that knows this parameter, devices in "
                         "different groups "
                         "can reach each other's memory; without it, it does nothing",
                         *split),
             "give such devices to guests that are trusted only, or start without it and hand over the whole "
             "group"});
    const auto unsafe = sysfs.read("/sys/module/vfio/parameters/enable_unsafe_noiommu_mode", 8);
    if (unsafe && *unsafe == "Y")
        findings.push_back(
            {Level::warning,
             "iommu",
             {},
             "vfio's unsafe no-IOMMU mode is on: a device that has no group could write to all of "
             "the host's memory",
             "unset vfio.enable_unsafe_noiommu_mode unless you know that you need it"});
    return findings;
}

Findings interruptFindings(const Sysfs& sysfs) {
    const auto kind = iommuKind(sysfs);
    if (kind != "intel" && kind != "amd")
        return {}; // elsewhere it is of one piece with the interrupt controller
    const auto table = sysfs.read("/proc/interrupts", 16 << 20);
    if (!table)
        return {unreadable("interrupt-remapping", table.error())};
    if (table->contains(" IR-"))
        return {{Level::ok, "interrupt-remapping", {}, "interrupts are remapped", ""}};
    const auto line = commandLine(sysfs);
    const bool told = hasWord(line, "nointremap") || parameterHas(line, "intremap", "off");
    const auto allowed =
        sysfs.read("/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts", 8).value_or("N") == "Y";
    return {{allowed ? Level::warning : Level::error,
             "interrupt-remapping",
             {},
             fmt::format("interrupts are not remapped{}, so {}",
                         told ? " (the kernel was told not to: intremap=off)" : "",
                         allowed ? "a guest could raise any interrupt of the host"
                                 : "the kernel will refuse a VM"),
             allowed ? ""
             : told  ? "start without intremap=off"
                     : "look for x2APIC or interrupt remapping in the firmware's setup; or, for guests that "
                       "are trusted, allow-unsafe-interrupts = true under [vfio-pci] in "
                       "/etc/vfio-bind.toml"}};
}

Findings memlockFindings(const Sysfs& sysfs, bool root) {
    if (root)
        return {};
    const auto limits = sysfs.read("/proc/self/limits", 8192);
    if (!limits)
        return {unreadable("memlock", limits.error())};
    const auto at = limits->find("Max locked memory");
    if (at == std::string::npos)
        return {};
    std::istringstream words(limits->substr(at + std::string_view("Max locked memory").size()));
    std::string soft;
    words >> soft;
    if (soft == "unlimited")
        return {{Level::ok, "memlock", {}, "you may lock any amount of memory", ""}};
    const auto bytes = std::strtoull(soft.c_str(), nullptr, 10);
    return {{Level::note,
             "memlock",
             {},
             fmt::format(
                 "you may lock {} MiB of memory; a VM that you start yourself needs to lock all of its own",
                 bytes >> 20),
             "raise memlock in /etc/security/limits.d, or LimitMEMLOCK= of the service; libvirt does so by "
             "itself"}};
}

} // namespace vfiobind::ctl
