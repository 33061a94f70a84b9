// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pci/object_name.h"

#include <algorithm>
#include <string>

namespace vfiobind {

std::optional<Address> addressNamed(std::string_view objectName) {
    std::string text(objectName);
    std::ranges::replace(text, '_', ':');
    if (const auto last = text.rfind(':'); last != std::string::npos)
        text[last] = '.';
    const auto address = Address::parse(text);
    return address && address->objectName() == objectName ? std::optional(*address) : std::nullopt;
}

} // namespace vfiobind
