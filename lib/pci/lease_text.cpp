// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pci/lease_text.h"

#include <fmt/format.h>

namespace vfiobind {
namespace {

/// The control characters of ASCII and of Latin 1.
bool isControl(unsigned char byte, unsigned char before) {
    constexpr unsigned char del = 0x7f;
    constexpr unsigned char firstOfLatin1 = 0xc2; // U+0080 to U+00BF begin so in UTF-8
    return byte < ' ' || byte == del || (before == firstOfLatin1 && byte < 0xa0);
}

} // namespace

std::expected<void, std::string> checkWhat(std::string_view what) {
    if (what.size() > maxWhat)
        return std::unexpected(
            fmt::format("'what' has {} bytes; it may have at most {}", what.size(), maxWhat));
    unsigned char before = 0;
    for (const char c : what) {
        const auto byte = static_cast<unsigned char>(c);
        if (isControl(byte, before))
            return std::unexpected("'what' has a control character; it is one line of printable text");
        before = byte;
    }
    return {};
}

} // namespace vfiobind
