// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <system_error>

namespace vfiobind {

/// For what answers with a negative errno, as sd-event(3) and libudev do: throws it as a std::system_error
/// that says what was tried.
inline void check(int result, const char* what) {
    if (result < 0)
        throw std::system_error(-result, std::generic_category(), what);
}

} // namespace vfiobind
