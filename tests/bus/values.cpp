// SPDX-License-Identifier: LGPL-2.1-or-later
#include "values.h"

#include <stdexcept>
#include <tuple>

namespace vfiobind::bustest {
namespace {

json plain(const auto& value) {
    return value;
}
json plain(const sdbus::ObjectPath& path) {
    return std::string(path);
}

template <typename T>
json list(const std::vector<T>& values);

template <typename... T>
json plain(const sdbus::Struct<T...>& value) {
    return std::apply([](const auto&... parts) { return json::array({plain(parts)...}); },
                      static_cast<const std::tuple<T...>&>(value));
}
json plain(const sdbus::Struct<std::string, std::string, std::vector<std::string>>& rule) {
    return json::array({std::get<0>(rule), std::get<1>(rule), std::get<2>(rule)});
}

template <typename T>
json list(const std::vector<T>& values) {
    auto all = json::array();
    for (const auto& value : values)
        all.push_back(plain(value));
    return all;
}

template <typename T>
json one(const sdbus::Variant& value) {
    return plain(value.get<T>());
}
template <typename T>
json many(const sdbus::Variant& value) {
    return list(value.get<std::vector<T>>());
}

} // namespace

std::string signatureOf(const sdbus::Variant& value) {
    return value.peekValueType();
}

json toJson(const sdbus::Variant& value) {
    using Text = std::string;
    static const std::map<std::string, json (*)(const sdbus::Variant&)> readers{
        {"s", one<Text>},
        {"b", one<bool>},
        {"q", one<std::uint16_t>},
        {"i", one<std::int32_t>},
        {"u", one<std::uint32_t>},
        {"t", one<std::uint64_t>},
        {"o", one<sdbus::ObjectPath>},
        {"as", many<Text>},
        {"ao", many<sdbus::ObjectPath>},
        {"a(ss)", many<sdbus::Struct<Text, Text>>},
        {"a(sss)", many<sdbus::Struct<Text, Text, Text>>},
        {"a(us)", many<sdbus::Struct<std::uint32_t, Text>>},
        {"a(ut)", many<sdbus::Struct<std::uint32_t, std::uint64_t>>},
        {"a(ssas)", many<sdbus::Struct<Text, Text, std::vector<Text>>>},
    };
    const auto it = readers.find(signatureOf(value));
    if (it == readers.end())
        throw std::invalid_argument("the API has no type " + signatureOf(value));
    return it->second(value);
}

std::map<std::string, json> toJson(const bus::PropertyMap& properties) {
    std::map<std::string, json> found;
    for (const auto& [name, value] : properties)
        found.emplace(name, toJson(value));
    return found;
}

std::map<std::string, std::map<std::string, json>> toJson(const bus::InterfaceMap& interfaces) {
    std::map<std::string, std::map<std::string, json>> found;
    for (const auto& [name, properties] : interfaces)
        if (name.starts_with("org.vfiobind1."))
            found.emplace(name, toJson(properties));
    return found;
}

Objects toJson(const bus::ManagedObjects& objects) {
    Objects found;
    for (const auto& [path, interfaces] : objects)
        found.emplace(path, toJson(interfaces));
    return found;
}

std::string differences(const Objects& expected, const Objects& found) {
    std::string text;
    for (const auto& [path, interfaces] : found)
        if (!expected.contains(path))
            text += path + " is there, and should not be\n";
    for (const auto& [path, interfaces] : expected) {
        const auto object = found.find(path);
        if (object == found.end()) {
            text += path + " is not there\n";
            continue;
        }
        for (const auto& [interface, properties] : interfaces)
            for (const auto& [name, value] : properties) {
                const auto& there = object->second;
                const auto now = there.contains(interface) && there.at(interface).contains(name)
                                     ? there.at(interface).at(name)
                                     : json("(absent)");
                if (now != value)
                    text += path + ' ' + name + ": expected " + value.dump() + ", found " + now.dump() + '\n';
            }
    }
    return text;
}

} // namespace vfiobind::bustest
