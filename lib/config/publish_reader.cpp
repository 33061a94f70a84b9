// SPDX-License-Identifier: LGPL-2.1-or-later
#include "config/publish_reader.h"

#include "config/keys.h"
#include "pci/text.h"

#include <fmt/format.h>

namespace vfiobind {

namespace {

void readCdiKind(TomlReader& reader, const toml::table& table, PublishOptions& options) {
    const auto kind = reader.string(table, "cdi-kind", R"(cdi-kind = "vfio.bind/group")");
    if (!kind)
        return;
    if (isCdiKind(kind->value))
        options.cdiKind = kind->value;
    else
        reader.error(
            kind->where,
            fmt::format("{} is no kind that CDI takes: it is vendor/class, as in \"{}\", of letters, "
                        "digits, _ and -, with dots in the vendor; both begin with a letter",
                        quote(kind->value), defaultCdiKind));
}

void readCdiNodes(TomlReader& reader, const toml::table& table, PublishOptions& options) {
    const auto nodes = reader.string(table, "cdi-nodes", R"(cdi-nodes = "group")");
    if (!nodes)
        return;
    if (nodes->value == "group" || nodes->value == "cdev")
        options.cdiNodes = nodes->value == "cdev" ? CdiNodes::cdev : CdiNodes::group;
    else
        reader.error(nodes->where, fmt::format("cdi-nodes is {}; it is \"group\" (/dev/vfio/22) or \"cdev\" "
                                               "(/dev/vfio/devices/vfio0, for iommufd)",
                                               quote(nodes->value)));
}

} // namespace

void readPublish(TomlReader& reader, const toml::table& table, PublishOptions& options) {
    reader.refuseUnknown(table, "[publish]", publishKeys);
    const auto option = [&](std::string_view key, std::string_view example, bool& value) {
        value = reader.boolean(table, key, example).value_or(value);
    };
    option("cdi", "cdi = true", options.cdi);
    option("metrics", "metrics = true", options.metrics);
    option("nfd", "nfd = true", options.nfd);
    readCdiKind(reader, table, options);
    readCdiNodes(reader, table, options);
}

} // namespace vfiobind
