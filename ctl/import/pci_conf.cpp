// SPDX-License-Identifier: LGPL-2.1-or-later
#include "import/pci_conf.h"

#include "pci/text.h"

#include <fmt/format.h>
#include <optional>

namespace vfiobind::ctl {
namespace {

/// Without the comment: a # at the beginning or after a blank, outside quotes.
std::string withoutComment(const std::string& line) {
    char quote = '\0';
    for (std::size_t i = 0; i < line.size(); ++i) {
        const char c = line[i];
        if (quote != '\0')
            quote = c == quote ? '\0' : quote;
        else if (c == '\'' || c == '"')
            quote = c;
        else if (c == '#' && (i == 0 || line[i - 1] == ' ' || line[i - 1] == '\t'))
            return line.substr(0, i);
    }
    return line;
}

std::optional<std::string> unquoted(const std::string& text) {
    const bool single = text.size() >= 2 && text.front() == '\'' && text.back() == '\'';
    const bool twice = text.size() >= 2 && text.front() == '"' && text.back() == '"';
    if (single || twice)
        return text.substr(1, text.size() - 2);
    if (text.contains('\'') || text.contains('"'))
        return std::nullopt;
    return text;
}

class PciConfReader {
public:
    PciConfReader(ProbeSettings& settings, Found& found) : settings_(settings), found_(found) {}

    void line(const TextLine& line) {
        const auto text = trimmed(withoutComment(line.text));
        if (text.empty() || text == "---")
            return;
        const auto colon = text.starts_with(':') ? text.find(':', 1) : std::string::npos;
        if (colon != std::string::npos) {
            key_ = text.substr(1, colon - 1);
            value(trimmed(text.substr(colon + 1)), line.place);
        } else if (text.starts_with('-') && !key_.empty())
            item(trimmed(text.substr(1)), line.place);
        else
            complain(line.place, text);
    }

private:
    void complain(const Place& place, const std::string& text) {
        found_.warnings.push_back(
            {place, fmt::format("{} is left out: it is written :filter: '10de:*', or as a list of lines that "
                                "begin with -",
                                quote(text))});
    }

    void value(const std::string& text, const Place& place) {
        if (text == "nil" || text == "null" || text == "~")
            settings_.everything = settings_.everything || key_ == "filter";
        else if (text.starts_with('[') && text.ends_with(']'))
            for (const auto part : split(std::string_view(text).substr(1, text.size() - 2), ',')) {
                if (const auto one = trimmed(part); !one.empty())
                    item(one, place);
            }
        else if (!text.empty())
            item(text, place);
    }

    void item(const std::string& text, const Place& place) {
        const auto value = unquoted(text);
        if (!value)
            complain(place, text);
        else if (key_ == "filter")
            for (const auto filter : split(*value, ','))
                settings_.filters.push_back({trimmed(filter), place});
        else if (key_ == "short_address")
            settings_.addresses.push_back({*value, place});
        else if (key_ == "device_name")
            settings_.names.push_back({*value, place});
        // Other keys, as :nvidia_vendors:, say nothing of which devices are offered.
    }

    ProbeSettings& settings_;
    Found& found_;
    std::string key_;
};

} // namespace

ProbeSettings readPciConf(const std::string& path, const std::string& content, Found& found) {
    ProbeSettings settings;
    PciConfReader reader(settings, found);
    for (const auto& line : linesOf(path, content))
        reader.line(line);
    return settings;
}

ProbeSettings readPciRb(const std::string& path, const std::string& content, Found& found) {
    ProbeSettings settings;
    for (const auto& line : linesOf(path, content)) {
        const auto text = trimmed(withoutComment(line.text));
        const auto sign = text.find('=');
        if (sign == std::string::npos || trimmed(text.substr(0, sign)) != "FILTER")
            continue;
        const auto value = trimmed(text.substr(sign + 1));
        const auto filters = unquoted(value);
        settings = {}; // the last one counts
        settings.everything = value == "nil";
        if (!settings.everything && (!filters || *filters == value))
            found.warnings.push_back(
                {line.place, "this filter is left out: it is written FILTER = '10de::0300'"});
        else if (!settings.everything)
            for (const auto filter : split(*filters, ','))
                settings.filters.push_back({trimmed(filter), line.place});
    }
    return settings;
}

} // namespace vfiobind::ctl
