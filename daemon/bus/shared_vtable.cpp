// SPDX-License-Identifier: LGPL-2.1-or-later
#include "bus/shared_vtable.h"

#include <cstdlib>
#include <cstring>
#include <new>

namespace vfiobind::bus {
namespace {

template <typename Values, typename Append>
void appendArray(sd_bus_message* message, const char* type, const Values& values, Append appendOne) {
    checked(sd_bus_message_open_container(message, 'a', type), "cannot write an array");
    for (const auto& value : values)
        appendOne(value);
    checked(sd_bus_message_close_container(message), "cannot write an array");
}

void appendBasic(sd_bus_message* message, char type, const void* value) {
    checked(sd_bus_message_append_basic(message, type, value), "cannot write a value");
}

/// Returns false at the end of an array.
bool readString(sd_bus_message* message, std::string& text) {
    const char* found = nullptr;
    const int code = sd_bus_message_read_basic(message, 's', static_cast<void*>(&found));
    checked(code, "cannot read an option");
    if (code > 0)
        text = found;
    return code > 0;
}

sdbus::Variant readText(sd_bus_message* message) {
    std::string text;
    readString(message, text);
    return sdbus::Variant{text};
}

sdbus::Variant readBool(sd_bus_message* message) {
    int value = 0;
    checked(sd_bus_message_read_basic(message, 'b', &value), "cannot read an option");
    return sdbus::Variant{value != 0};
}

sdbus::Variant readTexts(sd_bus_message* message) {
    std::vector<std::string> texts;
    checked(sd_bus_message_enter_container(message, 'a', "s"), "cannot read an option");
    for (std::string text; readString(message, text);)
        texts.push_back(text);
    checked(sd_bus_message_exit_container(message), "cannot read an option");
    return sdbus::Variant{texts};
}

/// Reads one value. Options have only these three types; a value of another type is refused whatever it is.
sdbus::Variant readVariant(sd_bus_message* message) {
    char type = 0;
    const char* contents = nullptr;
    checked(sd_bus_message_peek_type(message, &type, &contents), "cannot read an option");
    const std::string held = contents;
    checked(sd_bus_message_enter_container(message, 'v', held.c_str()), "cannot read an option");
    sdbus::Variant value(std::uint8_t{0});
    if (held == "s")
        value = readText(message);
    else if (held == "b")
        value = readBool(message);
    else if (held == "as")
        value = readTexts(message);
    else
        checked(sd_bus_message_skip(message, held.c_str()), "cannot read an option");
    checked(sd_bus_message_exit_container(message), "cannot read an option");
    return value;
}

} // namespace

SharedVtable::SharedVtable(sdbus::IConnection& connection, const std::string& parent, const char* interface,
                           const sd_bus_vtable* members, Objects objects) :
    bus_(rawBus(connection)), parent_(parent + '/'), interface_(interface), objects_(std::move(objects)) {
    sd_bus_slot* slot = nullptr;
    checked(sd_bus_add_fallback_vtable(bus_, &slot, parent.c_str(), interface, members, find, this),
            "cannot serve objects");
    table_.reset(slot);
    checked(sd_bus_add_node_enumerator(bus_, &slot, parent.c_str(), list, this), "cannot list objects");
    names_.reset(slot);
}

void SharedVtable::announce(const std::string& path) const {
    checked(sd_bus_emit_object_added(bus_, path.c_str()), "cannot tell of a new object");
}

void SharedVtable::takeLeave(const std::string& path) const {
    checked(sd_bus_emit_object_removed(bus_, path.c_str()), "cannot tell of an object's end");
}

void SharedVtable::tellChanged(const std::string& path, const std::vector<PropertyName>& names) const {
    std::vector<char*> list;
    for (const auto& name : names)
        list.push_back(const_cast<char*>(name.c_str())); // sd-bus only reads it
    list.push_back(nullptr);
    checked(sd_bus_emit_properties_changed_strv(bus_, path.c_str(), interface_, list.data()),
            "cannot tell of changes");
}

int SharedVtable::find(sd_bus*, const char* path, const char*, void* self, void** found,
                       sd_bus_error* error) {
    return guarded(error, [&] {
        const auto& table = *static_cast<SharedVtable*>(self);
        std::string_view name = path;
        if (!name.starts_with(table.parent_))
            return 0; // the parent itself
        name.remove_prefix(table.parent_.size());
        *found = table.objects_.find(name);
        return *found != nullptr ? 1 : 0;
    });
}

int SharedVtable::list(sd_bus*, const char*, void* self, char*** paths, sd_bus_error* error) {
    return guarded(error, [&] {
        const auto all = static_cast<SharedVtable*>(self)->objects_.paths();
        // sd-bus frees both the list and what is in it.
        auto** texts = static_cast<char**>(std::calloc(all.size() + 1, sizeof(char*)));
        if (texts == nullptr)
            throw std::bad_alloc();
        *paths = texts;
        for (const auto& path : all) {
            *texts = strdup(path.c_str());
            if (*texts++ == nullptr)
                throw std::bad_alloc();
        }
        return 0;
    });
}

void append(sd_bus_message* message, bool value) {
    const int number = value ? 1 : 0;
    appendBasic(message, 'b', &number);
}

void append(sd_bus_message* message, std::uint16_t value) {
    appendBasic(message, 'q', &value);
}

void append(sd_bus_message* message, std::uint32_t value) {
    appendBasic(message, 'u', &value);
}

void append(sd_bus_message* message, std::int32_t value) {
    appendBasic(message, 'i', &value);
}

void append(sd_bus_message* message, const std::string& value) {
    appendBasic(message, 's', value.c_str());
}

void append(sd_bus_message* message, const sdbus::ObjectPath& value) {
    appendBasic(message, 'o', value.c_str());
}

void append(sd_bus_message* message, const std::vector<std::string>& values) {
    appendArray(message, "s", values, [&](const auto& value) { append(message, value); });
}

void append(sd_bus_message* message, const std::vector<sdbus::ObjectPath>& values) {
    appendArray(message, "o", values, [&](const auto& value) { append(message, value); });
}

void append(sd_bus_message* message, const std::vector<sdbus::Struct<std::uint32_t, std::uint64_t>>& values) {
    appendArray(message, "(ut)", values, [&](const auto& pair) {
        checked(sd_bus_message_append(message, "(ut)", std::get<0>(pair), std::get<1>(pair)),
                "cannot write a message");
    });
}

void append(sd_bus_message* message, const std::vector<BlockerStruct>& values) {
    appendArray(message, "(sss)", values, [&](const BlockerStruct& blocker) {
        checked(sd_bus_message_append(message, "(sss)", std::get<0>(blocker).c_str(),
                                      std::get<1>(blocker).c_str(), std::get<2>(blocker).c_str()),
                "cannot write a value");
    });
}

void append(sd_bus_message* message, const std::vector<sdbus::Struct<std::uint32_t, std::string>>& values) {
    appendArray(message, "(us)", values, [&](const auto& holder) {
        checked(sd_bus_message_append(message, "(us)", std::get<0>(holder), std::get<1>(holder).c_str()),
                "cannot write a value");
    });
}

void PendingCall::returnError(const sdbus::Error& error) const {
    checked(
        sd_bus_reply_method_errorf(call_.get(), error.getName().c_str(), "%s", error.getMessage().c_str()),
        "cannot send an answer");
}

OptionMap readOptions(sd_bus_message* message) {
    OptionMap options;
    checked(sd_bus_message_enter_container(message, 'a', "{sv}"), "cannot read the options");
    int more = 0;
    while ((more = sd_bus_message_enter_container(message, 'e', "sv")) > 0) {
        std::string name;
        readString(message, name);
        options[name] = readVariant(message);
        checked(sd_bus_message_exit_container(message), "cannot read the options");
    }
    checked(more, "cannot read the options");
    checked(sd_bus_message_exit_container(message), "cannot read the options");
    return options;
}

} // namespace vfiobind::bus
