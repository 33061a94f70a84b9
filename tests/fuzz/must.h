// SPDX-License-Identifier: LGPL-2.1-or-later
/// What must hold for every input: the fuzzer keeps an input for which it does not.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace vfiobind::fuzz {

/// Aborts with the sentence unless it holds.
inline void must(bool holds, std::string_view sentence, const std::string& got = {}) {
    if (holds)
        return;
    std::fprintf(stderr, "does not hold: %.*s: %s\n", static_cast<int>(sentence.size()), sentence.data(),
                 got.c_str());
    std::abort();
}

/// An error is one printable line: it goes to the log and over D-Bus, whatever was in the input.
inline void mustBeSentence(const std::string& text) {
    must(!text.empty(), "an error says what is wrong");
    for (const char c : text)
        must(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f, "an error has no control characters", text);
}

} // namespace vfiobind::fuzz
