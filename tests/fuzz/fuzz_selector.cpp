// SPDX-License-Identifier: LGPL-2.1-or-later
// Addresses, id patterns, subsystems, bridge paths and selectors: what is read is read again from its own
// spelling.
#include "must.h"
#include "pci/selector.h"
#include "pci/serial.h"

#include <cstddef>
#include <cstdint>

namespace {

using namespace vfiobind;
using fuzz::must;

template <typename T>
void roundTrip(std::string_view text) {
    const auto read = T::parse(text);
    if (!read)
        return fuzz::mustBeSentence(read.error());
    const auto spelt = read->str();
    const auto again = T::parse(spelt);
    must(again.has_value(), "its own spelling is read", spelt);
    must(*again == *read, "its own spelling means the same", spelt);
    must(again->str() == spelt, "the spelling is stable", spelt);
}

void readAddress(std::string_view text) {
    roundTrip<Address>(text);
    const auto address = Address::parse(text);
    if (!address)
        return;
    must(address->device < 32 && address->function < 8, "device and function are in range", address->str());
    // It becomes part of paths and of D-Bus object paths (case 52).
    must(address->str().find_first_not_of("0123456789abcdef:.") == std::string::npos,
         "an address is harmless", address->str());
    must(address->objectName().find_first_not_of("0123456789abcdef_") == std::string::npos,
         "an object name is harmless", address->objectName());
}

void readPath(std::string_view text) {
    const auto path = parseBridgePath(text);
    if (!path)
        return fuzz::mustBeSentence(path.error());
    must(parseBridgePath(*path) == *path, "a bridge path's spelling is stable", *path);
}

void readSerial(std::string_view text) {
    const auto serial = parseSerial(text);
    if (!serial)
        return fuzz::mustBeSentence(serial.error());
    must(parseSerial(*serial) == *serial, "a serial number's spelling is stable", *serial);
}

/// Whatever the selector says, the device that it was made from is told apart from another.
void match(std::string_view text) {
    const auto selector = Selector::parse(text);
    if (!selector)
        return;
    const DeviceFacts device{
        {0, 1, 0, 0}, {0x10de, 0x1284, 0x1458, 0x36ff, 0x030000}, "0000:00/01.0/00.0", {}};
    const bool address = !selector->address || *selector->address == device.address;
    const bool path = !selector->path || *selector->path == device.path;
    const bool card = (!selector->id || selector->id->matches(device.ids)) &&
                      (!selector->subsystem || selector->subsystem->matches(device.ids));
    must((selector->match(device) == Match::yes) == (address && path && card),
         "a selector holds if all of its keys do", selector->str());
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    readAddress(text);
    readPath(text);
    readSerial(text);
    must(!serialFromConfig(text) || parseSerial(*serialFromConfig(text)),
         "a serial number that is read is one", "");
    roundTrip<IdPattern>(text);
    roundTrip<SubsystemPattern>(text);
    roundTrip<Selector>(text);
    match(text);
    return 0;
}
