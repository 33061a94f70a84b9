// SPDX-License-Identifier: LGPL-2.1-or-later
// Uevents and what is in them: pci_uevent, drivers/base/core.c dev_uevent.
#include "fake/fake_kernel.h"
#include "fake/text.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <fmt/format.h>

namespace vfiobind {

using namespace faketext;

namespace {

std::string upper(std::string text) {
    std::ranges::transform(text, text.begin(),
                           [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    return text;
}

} // namespace

std::string FakeUevent::str() const {
    return action + ' ' + subsystem + ' ' + faketext::nameOf(devpath);
}

std::string FakeKernel::modalias(const Function& device) {
    return fmt::format("pci:v0000{}d0000{}sv0000{}sd0000{}bc{:02X}sc{:02X}i{:02X}",
                       upper(device.ids.substr(0, 4)), upper(device.ids.substr(5)),
                       upper(device.subsystem.substr(0, 4)), upper(device.subsystem.substr(5)),
                       device.classCode >> 16, device.classCode >> 8 & 0xff, device.classCode & 0xff);
}

std::string FakeKernel::ueventText(const Function& device) const {
    return (device.driver.empty() ? "" : "DRIVER=" + device.driver + '\n') +
           fmt::format("PCI_CLASS={:04X}\nPCI_ID={}\nPCI_SUBSYS_ID={}\nPCI_SLOT_NAME={}\nMODALIAS={}\n",
                       device.classCode, upper(device.ids), upper(device.subsystem), device.address,
                       modalias(device));
}

void FakeKernel::emit(const std::string& action, const Function& device) {
    if (quiet_ || !onUevent)
        return;
    FakeUevent event{
        .action = action, .subsystem = "pci", .devpath = device.place.substr(4), .properties = {}};
    for (const auto& line : split(ueventText(device), '\n'))
        event.properties[line.substr(0, line.find('='))] = line.substr(line.find('=') + 1);
    event.properties["SEQNUM"] = std::to_string(++seqnum_);
    onUevent(event);
}

void FakeKernel::emit(const std::string& action, const std::string& subsystem, const std::string& devpath) {
    if (quiet_ || !onUevent)
        return;
    FakeUevent event{.action = action, .subsystem = subsystem, .devpath = devpath, .properties = {}};
    event.properties["DEVNAME"] =
        subsystem == "vfio" ? "vfio/" + nameOf(devpath) : "vfio/devices/" + nameOf(devpath);
    event.properties["SEQNUM"] = std::to_string(++seqnum_);
    onUevent(event);
}

} // namespace vfiobind
