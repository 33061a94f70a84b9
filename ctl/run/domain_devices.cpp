// SPDX-License-Identifier: LGPL-2.1-or-later
#include "run/domain_devices.h"

#include "pci/text.h"

#include <expat.h>
#include <fmt/format.h>
#include <memory>
#include <new>
#include <optional>
#include <type_traits>

namespace vfiobind::ctl {
namespace {

class DomainDevices {
public:
    DomainDevices() : parser_(XML_ParserCreate(nullptr), &XML_ParserFree) {
        if (!parser_)
            throw std::bad_alloc();
        XML_SetUserData(parser_.get(), this);
        XML_SetElementHandler(
            parser_.get(),
            [](void* self, const XML_Char* name, const XML_Char** attributes) {
                static_cast<DomainDevices*>(self)->begin(name, attributes);
            },
            [](void* self, const XML_Char*) { --static_cast<DomainDevices*>(self)->depth_; });
    }

    std::expected<std::vector<Address>, std::string> read(std::string_view xml) {
        if (XML_Parse(parser_.get(), xml.data(), static_cast<int>(xml.size()), XML_TRUE) != XML_STATUS_OK)
            return std::unexpected(fmt::format("the domain is no XML: line {}: {}", line(),
                                               XML_ErrorString(XML_GetErrorCode(parser_.get()))));
        if (!fault_.empty())
            return std::unexpected(fault_);
        return found_;
    }

private:
    /// Expat 2.9 has 64 bits for it, and warns of the old function.
    unsigned line() const {
#if XML_MAJOR_VERSION > 2 || (XML_MAJOR_VERSION == 2 && XML_MINOR_VERSION >= 9)
        return static_cast<unsigned>(XML_GetCurrentLineNumber64(parser_.get()));
#else
        return static_cast<unsigned>(XML_GetCurrentLineNumber(parser_.get()));
#endif
    }

    static std::string_view attribute(const XML_Char** attributes, std::string_view name) {
        for (; *attributes != nullptr; attributes += 2)
            if (attributes[0] == name)
                return attributes[1];
        return {};
    }

    /// A domain's devices are two deep, their source three, its address four.
    void begin(std::string_view name, const XML_Char** attributes) {
        ++depth_;
        if (depth_ == 3) {
            const auto type = attribute(attributes, "type");
            wanted_ = (name == "hostdev" && type == "pci") || (name == "interface" && type == "hostdev");
            wanted_ &= attribute(attributes, "managed") != "yes";
        }
        if (depth_ == 4)
            source_ = name == "source";
        if (depth_ == 5 && wanted_ && source_ && name == "address")
            take(attributes);
    }

    /// A number as libvirt writes it, `0x1f`.
    static std::optional<std::uint32_t> number(std::string_view text) {
        return text.starts_with("0x") ? parseHex<std::uint32_t>(text.substr(2), 1, 8) : std::nullopt;
    }

    void take(const XML_Char** attributes) {
        const auto part = [&](const char* name) { return number(attribute(attributes, name)); };
        const auto domain = part("domain");
        const auto bus = part("bus");
        const auto slot = part("slot");
        const auto function = part("function");
        if (!domain || !bus || !slot || !function || *bus > 0xff || *slot > 0x1f || *function > 7) {
            fault_ = fmt::format("line {} of the domain has no PCI address; libvirt writes it as <address "
                                 "domain='0x0000' bus='0x01' slot='0x00' function='0x0'/>",
                                 line());
            return;
        }
        found_.push_back({*domain, static_cast<std::uint8_t>(*bus), static_cast<std::uint8_t>(*slot),
                          static_cast<std::uint8_t>(*function)});
    }

    std::unique_ptr<std::remove_pointer_t<XML_Parser>, decltype(&XML_ParserFree)> parser_;
    unsigned depth_ = 0;
    bool wanted_ = false;
    bool source_ = false;
    std::vector<Address> found_;
    std::string fault_;
};

} // namespace

std::expected<std::vector<Address>, std::string> unmanagedDevices(std::string_view domainXml) {
    return DomainDevices().read(domainXml);
}

} // namespace vfiobind::ctl
