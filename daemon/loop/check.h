// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <system_error>

namespace vfiobind {

/// Throws a std::system_error if `result` is a negative errno, as sd-event(3) and libudev return it. `what`
/// says what was tried.
inline void check(int result, const char* what) {
    if (result < 0)
        throw std::system_error(-result, std::generic_category(), what);
}

} // namespace vfiobind
