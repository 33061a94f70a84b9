// SPDX-License-Identifier: LGPL-2.1-or-later
/// Small helpers for paths and addresses as strings.
#pragma once

#include <sstream>
#include <string>
#include <vector>

namespace vfiobind::faketext {

inline std::string parentOf(const std::string& path) {
    return path.substr(0, path.rfind('/'));
}
inline std::string nameOf(const std::string& path) {
    return path.substr(path.rfind('/') + 1);
}
/// `0000:01` of `0000:01:00.0`
inline std::string busOf(const std::string& address) {
    return address.substr(0, address.rfind(':'));
}
/// `0000` of `0000:01:00.0` and of `0000:01`
inline std::string domainOf(const std::string& address) {
    return address.substr(0, address.find(':'));
}

inline std::vector<std::string> split(const std::string& text, char separator) {
    std::vector<std::string> parts;
    std::istringstream stream(text);
    for (std::string part; std::getline(stream, part, separator);)
        if (!part.empty())
            parts.push_back(part);
    return parts;
}

/// The path from one directory to another place, as sysfs makes its links.
inline std::string relativePath(const std::string& fromDirectory, const std::string& to) {
    const auto from = split(fromDirectory, '/');
    const auto target = split(to, '/');
    std::size_t common = 0;
    while (common < from.size() && common < target.size() && from[common] == target[common])
        ++common;
    std::string result;
    for (std::size_t i = common; i < from.size(); ++i)
        result += "../";
    for (std::size_t i = common; i < target.size(); ++i)
        result += target[i] + (i + 1 < target.size() ? "/" : "");
    return result;
}

/// What sysfs_streq and kstrto* leave of a written value.
inline std::string chomp(std::string text) {
    if (!text.empty() && text.back() == '\n')
        text.pop_back();
    return text;
}

} // namespace vfiobind::faketext
