// SPDX-License-Identifier: LGPL-2.1-or-later
#include "early/serials.h"

#include "pci/serial.h"
#include "sysfs/write_file.h"
#include "topology/topology.h"

#include <cerrno>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace vfiobind::early {
namespace {

constexpr std::size_t wholeConfig = 4096;

} // namespace

std::optional<std::string> serialOf(const Sysfs& sysfs, const Address& address) {
    const auto device = "/sys/bus/pci/devices/" + address.str();
    if (sysfs.exists(device + "/serial_number"))
        return std::nullopt;
    const auto config = sysfs.read(device + "/config", wholeConfig);
    return config ? serialFromConfig(*config) : std::nullopt;
}

SysResult<void> keepSerial(const Sysfs& sysfs, const Address& address, const std::string& root) {
    const auto file = fmt::format("{}{}/{}", root, serialsDirectory, address.str());
    const auto device = readDevice(sysfs, address);
    const auto serial = device && !device->bridge ? serialOf(sysfs, address) : std::nullopt;
    if (!serial) {
        if (unlink(file.c_str()) != 0 && errno != ENOENT)
            return std::unexpected(SysError{"unlink", file, errno});
        return {};
    }
    for (auto slash = file.find('/', 1); slash != std::string::npos; slash = file.find('/', slash + 1))
        mkdir(file.substr(0, slash).c_str(), 0755); // what cannot be made shows when the file is written
    return writeFileAtomically(file, fmt::format("{} {}\n", *serial, device->ids.str()), 0644);
}

std::vector<SysError> keepSerials(const Sysfs& sysfs, const std::string& root) {
    std::vector<SysError> errors;
    const auto names = sysfs.list("/sys/bus/pci/devices");
    if (!names)
        return {names.error()};
    for (const auto& name : *names)
        if (const auto address = Address::parse(name))
            if (const auto kept = keepSerial(sysfs, *address, root); !kept)
                errors.push_back(kept.error());
    return errors;
}

} // namespace vfiobind::early
