// SPDX-License-Identifier: LGPL-2.1-or-later
// The kernel's answers about routes and addresses, and the text files that stand in for them.
#include "guard/rtnetlink.h"
#include "must.h"

#include <cstddef>
#include <cstdint>
#include <string>

namespace {

using namespace vfiobind;
using fuzz::must;

/// An address or nothing: it goes into a sentence.
void isAddress(const std::string& text) {
    must(text.find_first_not_of("0123456789abcdef.:/") == std::string::npos, "an address is digits", text);
}

void readMessages(std::string_view messages) {
    // An attribute of an interface has 8 bytes, a message with no more than its header 16.
    const auto routes = defaultRoutesIn(messages);
    must(routes.size() <= messages.size() / 16, "a route needs a message");
    for (const auto& route : routes) {
        isAddress(route.gateway);
        must(route.interfaces.size() <= messages.size() / 8, "an interface needs an attribute");
    }
    const auto addresses = addressesIn(messages);
    must(addresses.size() <= messages.size() / 16, "an address needs a message");
    for (const auto& address : addresses) {
        isAddress(address.text);
        must(address.text.contains('/'), "an address has its bits", address.text);
    }
}

void readText(const std::string& text) {
    for (const auto& route : defaultRoutesInProc(text, text))
        must(route.interface.find_first_of(" \t\n") == std::string::npos, "an interface is one word",
             route.interface);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    readMessages(text);
    readText(std::string(text));
    return 0;
}
