// SPDX-License-Identifier: LGPL-2.1-or-later
#include "config/publish_reader.h"

#include "config/keys.h"
#include "pci/text.h"

#include <fmt/format.h>

namespace vfiobind {

void readPublish(TomlReader& reader, const toml::table& table, PublishOptions& options) {
    reader.refuseUnknown(table, "[publish]", publishKeys);
    const auto option = [&](std::string_view key, std::string_view example, bool& value) {
        value = reader.boolean(table, key, example).value_or(value);
    };
    option("cdi", "cdi = true", options.cdi);
    option("metrics", "metrics = true", options.metrics);
    option("nfd", "nfd = true", options.nfd);
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

} // namespace vfiobind
