// SPDX-License-Identifier: LGPL-2.1-or-later
// libvirt's files are read with expat, which the bus's daemon brings to every machine that has us.
#include "import/sources.h"
#include "pci/text.h"

#include <algorithm>
#include <expat.h>
#include <fmt/format.h>
#include <initializer_list>
#include <memory>
#include <new>
#include <optional>
#include <type_traits>

namespace vfiobind::ctl {
namespace {

/// Where the parser is. Expat 2.9 has 64 bits for it, and warns of the old function.
unsigned lineOf(XML_Parser parser) {
#if XML_MAJOR_VERSION > 2 || (XML_MAJOR_VERSION == 2 && XML_MINOR_VERSION >= 9)
    return static_cast<unsigned>(XML_GetCurrentLineNumber64(parser));
#else
    return static_cast<unsigned>(XML_GetCurrentLineNumber(parser));
#endif
}

/// A number as libvirt's schema has it, `0x82` or `130`.
std::optional<std::uint32_t> readNumber(std::string_view text) {
    if (text.starts_with("0x"))
        return parseHex<std::uint32_t>(text.substr(2), 1, 8);
    std::uint32_t value = 0;
    for (const char c : text) {
        if (c < '0' || c > '9' || value > 100'000'000)
            return std::nullopt;
        value = value * 10 + static_cast<std::uint32_t>(c - '0');
    }
    return text.empty() ? std::nullopt : std::optional(value);
}

/// Takes what `<hostdev type='pci'>` and `<interface type='hostdev'>` of a domain have under `<source>`, and
/// the addresses of a network's `<forward mode='hostdev'>`.
class LibvirtReader {
public:
    LibvirtReader(const ImportContext& context, std::string path, Found& found) :
        context_(context), path_(std::move(path)), found_(found),
        parser_(XML_ParserCreate(nullptr), &XML_ParserFree) {
        if (!parser_)
            throw std::bad_alloc();
        XML_SetUserData(parser_.get(), this);
        XML_SetElementHandler(
            parser_.get(),
            [](void* self, const XML_Char* name, const XML_Char** attributes) {
                static_cast<LibvirtReader*>(self)->begin(name, attributes);
            },
            [](void* self, const XML_Char*) { static_cast<LibvirtReader*>(self)->end(); });
        XML_SetCharacterDataHandler(parser_.get(), [](void* self, const XML_Char* text, int length) {
            static_cast<LibvirtReader*>(self)->text({text, static_cast<std::size_t>(length)});
        });
    }

    void read(const std::string& content) {
        if (XML_Parse(parser_.get(), content.data(), static_cast<int>(content.size()), XML_TRUE) !=
            XML_STATUS_OK)
            found_.warnings.push_back(
                {here(),
                 fmt::format("this is no XML: {}", XML_ErrorString(XML_GetErrorCode(parser_.get())))});
        for (auto& claim : claims_) {
            claim.name = ruleName(domain_, "libvirt");
            found_.claims.push_back(std::move(claim));
        }
    }

private:
    Place here() const { return {path_, lineOf(parser_.get())}; }

    static std::string attribute(const XML_Char** attributes, std::string_view name) {
        for (; *attributes != nullptr; attributes += 2)
            if (attributes[0] == name)
                return attributes[1];
        return {};
    }

    bool inside(std::initializer_list<std::string_view> path) const {
        return std::equal(path.begin(), path.end(), open_.begin(), open_.end());
    }

    void begin(std::string_view name, const XML_Char** attributes) {
        if (inside({"domain", "devices"}) && (name == "hostdev" || name == "interface"))
            beginDevice(name, attributes);
        const bool source = inside({"domain", "devices", "hostdev", "source"}) ||
                            inside({"domain", "devices", "interface", "source"});
        if (source && pci_ && name == "address")
            address(attributes);
        if (inside({"network"}) && name == "forward") {
            pci_ = attribute(attributes, "mode") == "hostdev";
            managed_ = attribute(attributes, "managed") == "yes";
        }
        if (inside({"network", "forward"}) && pci_ && name == "address")
            address(attributes);
        if (inside({"network", "forward"}) && pci_ && name == "pf")
            physicalFunction(attribute(attributes, "dev"));
        open_.emplace_back(name);
    }

    void beginDevice(std::string_view name, const XML_Char** attributes) {
        const auto type = attribute(attributes, "type");
        pci_ = name == "hostdev" ? type == "pci" : type == "hostdev";
        managed_ = attribute(attributes, "managed") == "yes";
        if (name == "hostdev" && type == "mdev")
            found_.warnings.push_back(
                {here(),
                 "a mediated device (mdev) is given to the VM here: its card stays with its own driver, and "
                 "no rule is made of it"});
    }

    /// libvirt hands out the virtual functions of the interface, and has them made by nobody.
    void physicalFunction(const std::string& interface) {
        const auto link = context_.sysfs.link("/sys/class/net/" + interface + "/device");
        const auto there = link ? Address::parse(baseName(*link)) : std::unexpected(std::string());
        found_.warnings.push_back(
            {here(),
             fmt::format(
                 "the network hands out virtual functions of {}{}: no rule is made of it; one for {} with "
                 "sriov-vfs = N makes N of them and binds them",
                 quote(interface), there ? " (" + there->str() + ")" : "",
                 there ? there->str() : "its address")});
    }

    void end() { open_.pop_back(); }

    void text(std::string_view text) {
        if (inside({"domain", "name"}) || inside({"network", "name"}))
            domain_ += text;
    }

    void address(const XML_Char** attributes) {
        const auto part = [&](const char* name, const char* without) {
            const auto value = attribute(attributes, name);
            return readNumber(value.empty() ? without : value);
        };
        const auto domain = part("domain", "0");
        const auto bus = part("bus", "");
        const auto slot = part("slot", "");
        const auto function = part("function", "");
        if (!domain || !bus || !slot || !function || *bus > 0xff || *slot > 0x1f || *function > 7) {
            found_.warnings.push_back({here(),
                                       "this is no PCI address and is left out: it is written "
                                       "<address domain='0x0000' bus='0x01' slot='0x00' function='0x0'/>"});
            return;
        }
        const Address found{*domain, static_cast<std::uint8_t>(*bus), static_cast<std::uint8_t>(*slot),
                            static_cast<std::uint8_t>(*function)};
        // With managed='yes' libvirt takes it from its driver when the VM starts, and gives it back.
        claims_.push_back({.selector = {.address = found}, .place = here(), .name = {}, .asked = managed_});
    }

    const ImportContext& context_;
    std::string path_;
    Found& found_;
    std::unique_ptr<std::remove_pointer_t<XML_Parser>, decltype(&XML_ParserFree)> parser_;
    std::vector<std::string> open_;
    std::vector<Claim> claims_;
    std::string domain_;
    bool pci_ = false;
    bool managed_ = false;
};

} // namespace

Found importLibvirt(const ImportContext& context) {
    Found found;
    for (const std::string folder : {"/etc/libvirt/qemu", "/etc/libvirt/qemu/networks", "/etc/libvirt/libxl"})
        for (const auto& name : listSource(context.sysfs, folder, found))
            if (name.ends_with(".xml")) {
                const auto path = folder + '/' + name;
                const auto content = readSource(context.sysfs, path, found);
                if (!content.empty())
                    LibvirtReader(context, path, found).read(content);
            }
    return found;
}

} // namespace vfiobind::ctl
