// SPDX-License-Identifier: LGPL-2.1-or-later
/// Kernel modules: which serve a device, and how they get loaded.
#pragma once

#include "pci/ids.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace vfiobind {

class Modules {
public:
    virtual ~Modules() = default;
    /// Returns the modules that serve the device natively, as modules.alias has them. Returns nothing, and
    /// logs why, if that cannot be found out.
    virtual std::optional<std::vector<std::string>> native(const Ids& ids) = 0;
    /// Returns what driver "auto" means for the device: the variant driver whose `vfio_pci:` alias fits with
    /// the fewest wildcards (Documentation/driver-api/vfio-pci-device-specific-driver-acceptance.rst), else
    /// vfio-pci.
    virtual std::string automatic(const Ids& ids) = 0;
    /// Changes after depmod(8) has run: native() and automatic() may return something else then.
    virtual std::uint64_t revision() = 0;
    virtual bool loaded(const std::string& module) = 0;
    /// Loads the modules and calls back once, from the event loop. To see whether that went well, look which
    /// drivers are registered then.
    virtual void load(std::vector<std::string> modules, std::function<void()> done) = 0;
    /// Whether loading a module would register the driver, as far as can be known without loading.
    virtual bool canLoad(const std::string& driver) = 0;
    /// Returns a sentence on why a driver is not registered after load(): not installed, blocked by
    /// modprobe.d, or refused by the kernel.
    virtual std::string whyMissing(const std::string& driver) = 0;
};

} // namespace vfiobind
