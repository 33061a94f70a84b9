// SPDX-License-Identifier: LGPL-2.1-or-later
/// Creates the virtual functions of an SR-IOV device so that no native driver sees them
/// (Documentation/PCI/pci-iov-howto.rst).
#pragma once

#include "plan/wanted.h"
#include "sysfs/sysfs.h"

#include <expected>
#include <functional>
#include <optional>
#include <string>

namespace vfiobind {

/// `/run/vfio-bind/sriov/<address>`: sriov_drivers_autoprobe's value while it is off, since a worker can be
/// killed in between.
class AutoprobeFiles {
public:
    explicit AutoprobeFiles(std::string directory) : directory_(std::move(directory)) {}
    SysResult<void> save(const Address& physicalFunction, const std::string& value);
    SysResult<void> remove(const Address& physicalFunction);
    /// What an earlier worker left; nothing where it left none.
    std::optional<std::string> load(const Address& physicalFunction) const;

private:
    std::string directory_;
};

/// Told after each write: `sriov_numvfs 0000:06:00.0 4`, and `done` or the error.
using VfHook = std::function<void(const std::string& step, const std::string& result)>;

/// Makes the functions: sriov_drivers_autoprobe off, sriov_numvfs, each one's driver_override, autoprobe as
/// it was. The physical function keeps its driver. Where a step fails, the functions that were made are taken
/// away again and autoprobe is restored. Nothing is done where they exist already, in this number. The error
/// is a sentence: another number exists (it is not changed: that would take away all of them), the device has
/// no SR-IOV or not so many functions, it has no driver, or what the kernel answered. Writing takes the
/// device's lock: for workers only.
std::expected<void, std::string> createVirtualFunctions(Sysfs& sysfs, const Address& physicalFunction,
                                                        const VfOrder& order, AutoprobeFiles files,
                                                        const VfHook& hook);

} // namespace vfiobind
