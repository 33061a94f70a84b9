// SPDX-License-Identifier: LGPL-2.1-or-later
// What a worker tells the daemon: a line of JSON each.
#include "must.h"
#include "work/work.h"

#include <cstddef>
#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace vfiobind;
    using fuzz::must;
    const auto message = decode({reinterpret_cast<const char*>(data), size});
    if (!message) {
        must(!message.error().empty(), "an error says what is wrong");
        return 0;
    }
    const auto line = encode(*message);
    must(line.find('\n') == std::string::npos, "a message is one line", line);
    const auto again = decode(line);
    must(again.has_value(), "what is sent is understood", line);
    must(*again == *message, "what is sent means the same", line);
    return 0;
}
