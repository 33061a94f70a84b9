// SPDX-License-Identifier: LGPL-2.1-or-later
#include "guard/command_line.h"

#include "pci/text.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <fmt/format.h>

namespace vfiobind {
namespace {

struct Tag {
    std::string_view prefix;
    std::string_view folder; ///< of /dev/disk
};
constexpr std::array<Tag, 4> tags{{{"UUID=", "by-uuid"},
                                   {"LABEL=", "by-label"},
                                   {"PARTUUID=", "by-partuuid"},
                                   {"PARTLABEL=", "by-partlabel"}}};

/// As udev writes a label into a link's name (encode_devnode_name in systemd).
std::string encoded(std::string_view label) {
    std::string text;
    for (const char c : label) {
        const auto byte = static_cast<unsigned char>(c);
        const bool plain =
            byte >= 0x80 || std::isalnum(byte) != 0 || std::string_view("#+-.:=@_").contains(c);
        text += plain ? std::string(1, c) : fmt::format("\\x{:02x}", byte);
    }
    return text;
}

/// The device that a node or a link below /dev leads to.
std::optional<std::string> followed(const Sysfs& sysfs, std::string path) {
    constexpr int mostLinks = 40; // MAXSYMLINKS
    for (int i = 0; i < mostLinks; ++i) {
        const auto target = sysfs.link(path);
        if (!target)
            break;
        path = target->starts_with('/') ? *target : path.substr(0, path.rfind('/') + 1) + *target;
    }
    auto name = std::string(baseName(path));
    return sysfs.exists("/sys/class/block/" + name) ? std::optional(name) : std::nullopt;
}

std::optional<std::string> byNumber(const Sysfs& sysfs, const std::string& number) {
    const auto names = sysfs.list("/sys/class/block");
    for (const auto& name : names.value_or(std::vector<std::string>{}))
        if (sysfs.read("/sys/class/block/" + name + "/dev", 32).value_or(std::string{}) == number)
            return name;
    return std::nullopt;
}

} // namespace

std::optional<std::string> kernelParameter(std::string_view commandLine, std::string_view key) {
    std::optional<std::string> value;
    std::string word;
    bool quoted = false;
    const auto take = [&] {
        if (word.starts_with(key) && word.size() > key.size() && word[key.size()] == '=')
            value = word.substr(key.size() + 1);
        word.clear();
    };
    for (const char c : commandLine) {
        if (c == '"')
            quoted = !quoted;
        else if (!quoted && std::isspace(static_cast<unsigned char>(c)) != 0)
            take();
        else
            word += c;
    }
    take();
    return value;
}

bool namesDisk(std::string_view value) {
    const auto number = value.find(':');
    return (value.starts_with("/dev/") && value != "/dev/nfs" && value != "/dev/cifs" &&
            value != "/dev/ram0") ||
           std::ranges::any_of(tags, [&](const Tag& tag) { return value.starts_with(tag.prefix); }) ||
           (number != std::string_view::npos && number > 0 &&
            value.find_first_not_of("0123456789:") == std::string_view::npos);
}

std::optional<std::string> namedBlockDevice(const Sysfs& sysfs, const std::string& value) {
    if (!namesDisk(value))
        return std::nullopt;
    for (const auto& tag : tags)
        if (value.starts_with(tag.prefix)) {
            // PARTUUID=x/PARTNROFF=1 counts on from the partition that is named; the disk is the same.
            auto name = value.substr(tag.prefix.size());
            if (tag.prefix == "PARTUUID=")
                name = name.substr(0, name.find('/'));
            return followed(sysfs, fmt::format("/dev/disk/{}/{}", tag.folder, encoded(name)));
        }
    return value.starts_with('/') ? followed(sysfs, value) : byNumber(sysfs, value);
}

} // namespace vfiobind
