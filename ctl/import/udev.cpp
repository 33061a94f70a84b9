// SPDX-License-Identifier: LGPL-2.1-or-later
// Rules of udev(7) that set `driver_override`.
#include "import/sources.h"
#include "pci/text.h"

#include <algorithm>
#include <fmt/format.h>
#include <iterator>
#include <optional>

namespace vfiobind::ctl {
namespace {

struct Pair {
    std::string key; ///< `ATTR{vendor}`
    std::string op;  ///< `==`, `!=`, `=`, `+=`, `:=`, `-=`
    std::string value;
};

/// Lines, those that a backslash goes on from put together.
std::vector<TextLine> logicalLines(const std::string& path, const std::string& content) {
    std::vector<TextLine> all;
    bool goesOn = false;
    for (auto& line : linesOf(path, content)) {
        const bool more = line.text.ends_with('\\');
        if (more)
            line.text.pop_back();
        if (goesOn)
            all.back().text += line.text;
        else
            all.push_back(std::move(line));
        goesOn = more;
    }
    return all;
}

/// Nothing where the line is not written as a rule is.
std::optional<std::vector<Pair>> pairsOf(std::string_view text) {
    std::vector<Pair> pairs;
    for (;;) {
        text.remove_prefix(std::min(text.find_first_not_of(" \t,\r"), text.size()));
        if (text.empty())
            return pairs;
        const auto opening = text.find('"');
        const auto closing = opening == std::string_view::npos ? opening : text.find('"', opening + 1);
        if (closing == std::string_view::npos)
            return std::nullopt;
        auto head = text.substr(0, opening);
        const auto sign = head.find_first_of("=!+:-");
        if (sign == std::string_view::npos)
            return std::nullopt;
        pairs.push_back({trimmed(head.substr(0, sign)), trimmed(head.substr(sign)),
                         std::string(text.substr(opening + 1, closing - opening - 1))});
        text.remove_prefix(closing + 1);
    }
}

std::optional<std::uint16_t> fourDigits(std::string_view value) {
    if (value.starts_with("0x"))
        value.remove_prefix(2);
    return parseHex<std::uint16_t>(value, 4, 4);
}

/// What the matches of a rule name. Each can be said in several ways.
class RuleReader {
public:
    explicit RuleReader(const ImportContext& context) : context_(context) {}

    /// Whether the match is understood.
    bool match(const Pair& pair) {
        if (pair.op != "==")
            return false;
        const auto& [key, op, value] = pair;
        if (key == "ACTION" || key == "SUBSYSTEM" || key == "SUBSYSTEMS" || key == "DEVTYPE")
            return true;
        if (key == "KERNEL" || key == "KERNELS" || key == "ENV{PCI_SLOT_NAME}")
            return address(value);
        if (key == "ATTR{vendor}" || key == "ATTRS{vendor}")
            return static_cast<bool>(id_.vendor = fourDigits(value));
        if (key == "ATTR{device}" || key == "ATTRS{device}")
            return static_cast<bool>(id_.device = fourDigits(value));
        if (key == "ATTR{subsystem_vendor}" || key == "ATTRS{subsystem_vendor}")
            return static_cast<bool>(subsystem_.vendor = fourDigits(value));
        if (key == "ATTR{subsystem_device}" || key == "ATTRS{subsystem_device}")
            return static_cast<bool>(subsystem_.device = fourDigits(value));
        if (key == "ATTR{class}" || key == "ATTRS{class}")
            return classCode(value);
        if (key == "ENV{PCI_ID}")
            return ids(value, id_.vendor, id_.device);
        if (key == "ENV{PCI_SUBSYS_ID}")
            return ids(value, subsystem_.vendor, subsystem_.device);
        return false;
    }

    std::vector<Selector> selectors() const {
        Selector common;
        if (id_ != IdPattern{})
            common.id = id_;
        if (subsystem_ != SubsystemPattern{})
            common.subsystem = subsystem_;
        if (addresses_.empty())
            return common == Selector{} ? std::vector<Selector>{} : std::vector{common};
        std::vector<Selector> all;
        for (const auto& address : addresses_) {
            all.push_back(common);
            all.back().address = address;
        }
        return all;
    }

private:
    /// `0000:01:00.0`, and `0000:01:00.*` or `0000:01:00.?` for the whole card.
    bool address(const std::string& value) {
        const bool whole = value.ends_with(".*") || value.ends_with(".?");
        const auto found = Address::parse(whole ? value.substr(0, value.size() - 1) + '0' : value);
        if (found)
            addresses_ = whole ? functionsOf(context_.topology, *found) : std::vector{*found};
        return found.has_value();
    }

    /// `0x030000`, of which `*` is any end.
    bool classCode(std::string value) {
        if (value.ends_with('*'))
            value.pop_back();
        if (!value.starts_with("0x"))
            return false;
        const auto digits = std::string_view(value).substr(2);
        const auto classId = digits.size() == 2 ? parseHex<std::uint16_t>(digits, 2, 2)
                                                : parseHex<std::uint16_t>(digits.substr(0, 4), 4, 4);
        if (!classId || (digits.size() != 2 && digits.size() != 4 && digits.size() != 6))
            return false;
        id_.classValue = digits.size() == 2 ? static_cast<std::uint16_t>(*classId << 8) : *classId;
        id_.classMask = digits.size() == 2 ? 0xff00 : 0xffff;
        if (digits.size() == 6)
            id_.progIf = parseHex<std::uint8_t>(digits.substr(4), 2, 2);
        return digits.size() != 6 || id_.progIf;
    }

    static bool ids(std::string_view value, std::optional<std::uint16_t>& vendor,
                    std::optional<std::uint16_t>& device) {
        const auto parts = split(value, ':');
        if (parts.size() != 2)
            return false;
        vendor = fourDigits(parts[0]);
        device = fourDigits(parts[1]);
        return vendor && device;
    }

    const ImportContext& context_;
    std::vector<Address> addresses_;
    IdPattern id_;
    SubsystemPattern subsystem_;
};

bool assigns(const Pair& pair) {
    return pair.op != "==" && pair.op != "!=";
}

/// The driver that the rule sets: `ATTR{driver_override}="vfio-pci"`, or a program that writes it there.
/// Empty where that cannot be told.
std::string driverOf(const std::vector<Pair>& pairs) {
    for (const auto& pair : pairs) {
        if (pair.key == "ATTR{driver_override}" && assigns(pair))
            return trimmed(pair.value);
        if (assigns(pair) && pair.value.contains("driver_override") && pair.value.contains("vfio-pci"))
            return "vfio-pci";
    }
    return {};
}

void readRule(const ImportContext& context, const TextLine& line, const std::string& name, Found& found) {
    const auto cannot = [&](const std::string& why) {
        found.warnings.push_back(
            {line.place,
             fmt::format("this rule sets driver_override, and for which devices is not understood ({}): "
                         "name them in a rule of vfio-bind",
                         why)});
    };
    const auto pairs = pairsOf(line.text);
    if (!pairs)
        return cannot("it is not written as KEY==\"value\", KEY=\"value\"");
    const auto driver = driverOf(*pairs);
    if (driver.empty())
        return cannot("a program does it, with a driver that is not named here");
    if (!isDriverName(driver) || (!isVfioDriver(driver) && driver != "pci-stub"))
        return; // an override that keeps a device from VFIO or gives it to another
    RuleReader reader(context);
    for (const auto& pair : *pairs)
        if (!assigns(pair) && !reader.match(pair))
            return cannot(fmt::format("{}{}{}", pair.key, pair.op, quote(pair.value)));
    const auto selectors = reader.selectors();
    if (selectors.empty())
        return cannot("no match names one");
    for (const auto& selector : selectors)
        found.claims.push_back({.selector = selector,
                                .driver = driver == "vfio-pci" ? "auto" : driver,
                                .place = line.place,
                                .name = name});
    found.removable.push_back({line.place, trimmed(line.text), "remove the rule"});
}

} // namespace

Found importUdev(const ImportContext& context) {
    Found found;
    for (const std::string folder : {"/etc/udev/rules.d", "/usr/local/lib/udev/rules.d"})
        for (const auto& name : listSource(context.sysfs, folder, found)) {
            if (!name.ends_with(".rules"))
                continue;
            const auto path = folder + '/' + name;
            if (context.sysfs.link(path).value_or(std::string{}) == "/dev/null")
                continue; // masked
            for (const auto& line : logicalLines(path, readSource(context.sysfs, path, found)))
                if (line.text.contains("driver_override") && !trimmed(line.text).starts_with('#'))
                    readRule(context, line, "udev", found);
        }
    return found;
}

} // namespace vfiobind::ctl
