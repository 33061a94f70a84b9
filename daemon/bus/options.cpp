// SPDX-License-Identifier: LGPL-2.1-or-later
#include "bus/options.h"

#include "pci/lease_text.h"

#include <algorithm>
#include <fmt/format.h>
#include <iterator>

namespace vfiobind::bus {
namespace {

std::unexpected<ApiError> invalid(std::string sentence) {
    return std::unexpected(ApiError{ApiError::Kind::invalidArgument, std::move(sentence)});
}

/// As much of a text as fits into an error's sentence.
std::string start(const std::string& text) {
    constexpr std::size_t most = 64;
    return text.size() <= most ? text : text.substr(0, most) + "...";
}

/// An option of another type than string, bool and array of strings also needs a reader for the groups, in
/// readVariant() of shared_vtable.cpp.
template <typename T>
std::expected<T, ApiError> valueOf(const std::string& key, const sdbus::Variant& value,
                                   std::string_view wanted) {
    if (!value.containsValueOfType<T>())
        return invalid(fmt::format("option '{}' is to be {}", key, wanted));
    return value.get<T>();
}

std::string_view known(Call call) {
    switch (call) {
    case Call::bind:
    case Call::check: // the same as Bind's, so that Check can be asked with exactly those options
        return "driver, allow, method and persist";
    case Call::acquire:
        return "allow, driver, method and what";
    case Call::release:
        break;
    }
    return "allow and persist";
}

std::expected<void, ApiError> setDriver(CallOptions& options, const sdbus::Variant& value) {
    auto driver = valueOf<std::string>("driver", value, "a string: auto, or a driver's name");
    if (!driver)
        return std::unexpected(driver.error());
    constexpr std::size_t longest = 64; // MODULE_NAME_LEN
    const bool plain =
        !driver->empty() && driver->size() < longest &&
        std::ranges::all_of(
            *driver,
            [](unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.'; }) &&
        driver->front() != '.';
    if (!plain)
        return invalid(
            fmt::format("'{}' is no driver's name; write auto, or a name such as vfio-pci", start(*driver)));
    options.driver = std::move(*driver);
    return {};
}

std::expected<void, ApiError> setMethod(CallOptions& options, const sdbus::Variant& value) {
    const auto method = valueOf<std::string>("method", value, "a string: override or new-id");
    if (!method)
        return std::unexpected(method.error());
    if (*method != "override" && *method != "new-id")
        return invalid(fmt::format("method '{}' is unknown; it is override or new-id", *method));
    options.method = *method == "new-id" ? Method::newId : Method::driverOverride;
    return {};
}

std::expected<void, ApiError> setAllow(Call call, CallOptions& options, const sdbus::Variant& value) {
    auto codes = valueOf<std::vector<std::string>>("allow", value, "an array of strings: codes of blockers");
    if (!codes)
        return std::unexpected(codes.error());
    for (const auto& name : *codes) {
        const auto* code = findBlockerCode(name);
        if (code == nullptr)
            return invalid(
                fmt::format("'{}' is no blocker's code; vfio-bind.toml(5) lists them", start(name)));
        if (!code->allowable)
            return invalid(fmt::format(
                "{} cannot be allowed: the kernel would refuse anyway, or the wrong device would be "
                "taken",
                name));
        if (code->where == AllowedIn::release && call != Call::release)
            return invalid(fmt::format("{} can be allowed by a Release only", name));
    }
    std::ranges::copy_if(*codes, std::back_inserter(options.allow), [&](const std::string& name) {
        return std::ranges::find(options.allow, name) == options.allow.end();
    });
    return {};
}

std::expected<void, ApiError> setPersist(CallOptions& options, const sdbus::Variant& value) {
    const auto persist = valueOf<bool>("persist", value, "a boolean");
    if (!persist)
        return std::unexpected(persist.error());
    options.persist = *persist;
    return {};
}

std::expected<void, ApiError> setWhat(CallOptions& options, const sdbus::Variant& value) {
    auto what = valueOf<std::string>("what", value, "a string: what the lease is for");
    if (!what)
        return std::unexpected(what.error());
    if (auto good = checkWhat(*what); !good)
        return invalid(good.error());
    options.what = std::move(*what);
    return {};
}

} // namespace

std::expected<CallOptions, ApiError> parseOptions(Call call, const OptionMap& given) {
    CallOptions options;
    for (const auto& [key, value] : given) {
        std::expected<void, ApiError> set;
        if (key == "driver" && call != Call::release)
            set = setDriver(options, value);
        else if (key == "method" && call != Call::release)
            set = setMethod(options, value);
        else if (key == "allow")
            set = setAllow(call, options, value);
        else if (key == "what" && call == Call::acquire)
            set = setWhat(options, value);
        else if (key == "persist" && call != Call::acquire)
            set = setPersist(options, value);
        else
            set = invalid(fmt::format("option '{}' is unknown here; there are {}", start(key), known(call)));
        if (!set)
            return std::unexpected(set.error());
    }
    return options;
}

} // namespace vfiobind::bus
