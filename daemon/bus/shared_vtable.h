// SPDX-License-Identifier: LGPL-2.1-or-later
/// One table of members for all objects of an interface, made with sd-bus(3) itself. sdbus-c++ makes a table
/// for each object, which takes 7 KiB with all that belongs to it, and a machine can have thousands of
/// devices and groups.
#pragma once

#include "bus/calls.h"
#include "bus/options.h"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace vfiobind::bus {

class SharedVtable {
public:
    /// How sd-bus finds the objects.
    struct Objects {
        std::function<void*(std::string_view name)> find; ///< by the path's last part; nullptr for none
        std::function<std::vector<std::string>()> paths;
    };
    /// `parent` is the path above the objects. Throws sdbus::Error.
    SharedVtable(sdbus::IConnection& connection, const std::string& parent, const char* interface,
                 const sd_bus_vtable* members, Objects objects);

    /// Emit the object's signals. Call announce() after the object has been made, and takeLeave() before it
    /// is destroyed.
    void announce(const std::string& path) const;
    void takeLeave(const std::string& path) const;
    void tellChanged(const std::string& path, const std::vector<PropertyName>& names) const;

private:
    static int find(sd_bus*, const char* path, const char*, void* self, void** found, sd_bus_error* error);
    static int list(sd_bus*, const char*, void* self, char*** paths, sd_bus_error* error);

    struct Unref {
        void operator()(sd_bus_slot* slot) const { sd_bus_slot_unref(slot); }
    };
    sd_bus* bus_;
    std::string parent_;
    const char* interface_;
    Objects objects_;
    std::unique_ptr<sd_bus_slot, Unref> table_;
    std::unique_ptr<sd_bus_slot, Unref> names_;
};

void append(sd_bus_message* message, bool value);
void append(sd_bus_message* message, std::uint16_t value);
void append(sd_bus_message* message, std::uint32_t value);
void append(sd_bus_message* message, std::int32_t value);
void append(sd_bus_message* message, const std::string& value);
void append(sd_bus_message* message, const sdbus::ObjectPath& value);
void append(sd_bus_message* message, const std::vector<std::string>& values);
void append(sd_bus_message* message, const std::vector<sdbus::ObjectPath>& values);
void append(sd_bus_message* message, const std::vector<BlockerStruct>& values);
void append(sd_bus_message* message, const std::vector<sdbus::Struct<std::uint32_t, std::string>>& values);
void append(sd_bus_message* message, const std::vector<sdbus::Struct<std::uint32_t, std::uint64_t>>& values);

/// A call that is to be answered once, now or later; what sdbus::Result is for sdbus-c++'s own objects.
class PendingCall {
public:
    explicit PendingCall(sd_bus_message* call) : call_(sd_bus_message_ref(call)) {}
    sd_bus_message* message() const { return call_.get(); }
    template <typename... Values>
    void returnResults(const Values&... values) const {
        sd_bus_message* made = nullptr;
        checked(sd_bus_message_new_method_return(call_.get(), &made), "cannot answer a call");
        const std::unique_ptr<sd_bus_message, Unref> reply(made);
        (append(made, values), ...);
        checked(sd_bus_send(nullptr, made, nullptr), "cannot send an answer");
    }
    void returnError(const sdbus::Error& error) const;

private:
    struct Unref {
        void operator()(sd_bus_message* message) const { sd_bus_message_unref(message); }
    };
    std::unique_ptr<sd_bus_message, Unref> call_;
};

/// Reads `a{sv}`.
OptionMap readOptions(sd_bus_message* message);

/// Runs `act` for sd-bus and turns its exception into an error, since no exception may reach C.
template <typename Act>
int guarded(sd_bus_error* error, Act act) {
    try {
        return act();
    } catch (const sdbus::Error& thrown) {
        return sd_bus_error_set(error, thrown.getName().c_str(), thrown.getMessage().c_str());
    } catch (const std::exception& thrown) {
        return sd_bus_error_set(error, "org.freedesktop.DBus.Error.Failed", thrown.what());
    }
}

/// A property's getter for the table.
template <typename Object, auto Get>
int readProperty(sd_bus*, const char*, const char*, const char*, sd_bus_message* reply, void* object,
                 sd_bus_error* error) {
    return guarded(error, [&] {
        append(reply, (static_cast<Object*>(object)->*Get)());
        return 0;
    });
}

} // namespace vfiobind::bus
