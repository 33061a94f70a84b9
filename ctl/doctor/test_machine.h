// SPDX-License-Identifier: LGPL-2.1-or-later
/// What the doctor's tests examine, and how they read what it found.
#pragma once

#include "doctor/doctor.h"
#include "fake/machine.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

namespace vfiobind::ctl::doctortest {

using namespace fakemachine;
using namespace std::string_literals;

/// A machine on which everything is as it should be.
inline FakeKernel goodMachine() {
    auto kernel = machine();
    kernel.putFile("/proc/cmdline", "root=/dev/sda1 intel_iommu=on\n");
    kernel.putFile("/proc/interrupts", "            CPU0\n  24:   1  IR-PCI-MSI 0000:00:02.0\n");
    kernel.putFile("/proc/self/mountinfo", "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n");
    kernel.putDirectory("/sys/module/vfio_iommu_type1");
    return kernel;
}

/// Configuration space with these capabilities: the bytes of each, put one behind the other from 0x40 on.
inline std::string configWith(const std::vector<std::string>& capabilities, std::size_t size = 256) {
    std::string bytes(size, '\0');
    bytes[0x06] = 0x10;
    std::size_t at = 0x40;
    bytes[0x34] = capabilities.empty() ? '\0' : static_cast<char>(at);
    for (std::size_t i = 0; i < capabilities.size(); ++i, at += 0x10) {
        bytes.replace(at, capabilities[i].size(), capabilities[i]);
        bytes[at + 1] = i + 1 < capabilities.size() ? static_cast<char>(at + 0x10) : '\0';
    }
    return bytes;
}
inline const std::string msi = "\x05\x00"s;
inline const std::string msix = "\x11\x00"s;

inline void putConfig(FakeKernel& kernel, const std::string& address, const std::string& bytes) {
    kernel.putFile(devices + address + "/config", bytes);
}

inline DoctorContext context(const std::string& target = {}, bool root = true) {
    return {.target = target,
            .config = "/nonexistent/vfio-bind.toml",
            .root = root,
            .changed = [](const auto&) { return std::optional<std::int64_t>{}; }};
}

/// `error boot-display: ...`
inline std::vector<std::string> lines(const Findings& findings) {
    std::vector<std::string> list;
    for (const auto& finding : findings)
        list.push_back(std::string(levelName(finding.level)) + ' ' + finding.topic + ": " + finding.sentence +
                       (finding.remedy.empty() ? "" : " -> " + finding.remedy));
    return list;
}

inline std::vector<std::string> about(const Diagnosis& diagnosis, const std::string& topic) {
    Findings some;
    std::ranges::copy_if(diagnosis.findings, std::back_inserter(some),
                         [&](const Finding& finding) { return finding.topic == topic; });
    return lines(some);
}

} // namespace vfiobind::ctl::doctortest
