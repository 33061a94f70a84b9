// SPDX-License-Identifier: LGPL-2.1-or-later
// vfio-bindctl as it is built, against the daemon.
#include "fixture.h"

#include <csignal>
#include <cstdlib>
#include <filesystem>

namespace vfiobind::bustest::ctl_test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class CtlTest : public BusTest {
protected:
    /// vfio-bindctl with `ssh` being the script.
    Finished ctlOverSsh(const std::string& script, const std::vector<std::string>& arguments) {
        const auto tools = folder() + "/tools";
        std::filesystem::create_directory(tools);
        writeFile(tools + "/ssh", "#!/bin/sh\necho \"$*\" >" + folder() + "/ssh.words\n" + script + "\n");
        std::filesystem::permissions(tools + "/ssh", std::filesystem::perms::owner_all);
        std::vector<std::string> command{VFIO_BIND_CTL};
        command.insert(command.end(), arguments.begin(), arguments.end());
        return run(command, {{"PATH", tools + ':' + getenv("PATH")}}, folder() + "/ctl.err");
    }

    /// What `status` prints on a terminal.
    std::string onATerminal(const std::map<std::string, std::string>& environment) {
        const auto command = std::string(VFIO_BIND_CTL) + " --session status";
        const auto shown = run({"script", "--quiet", "--return", "--command", command, "/dev/null"},
                               environment, folder() + "/tty.err");
        EXPECT_EQ(shown.code, 0) << shown.out << shown.err;
        EXPECT_THAT(shown.out, HasSubstr("bound"));
        return shown.out;
    }
};

TEST_F(CtlTest, BindsShowsAndReleases) {
    start();
    auto done = ctl({"bind", gpu});
    EXPECT_EQ(done.code, 0) << done.err;
    EXPECT_THAT(done.out, AllOf(HasSubstr("unbind " + gpu + " nouveau"), HasSubstr("group/1: bound")));
    EXPECT_EQ(driverOf(gpu), "vfio-pci");
    EXPECT_EQ(driverOf(audio), "vfio-pci");

    done = ctl({});
    EXPECT_EQ(done.code, 0) << done.err;
    EXPECT_THAT(done.out,
                AllOf(HasSubstr("01:00.0"), HasSubstr("01:00.1"), HasSubstr("vfio-pci"), HasSubstr("bound")));
    EXPECT_THAT(done.out, Not(HasSubstr("03:00.0"))) << "native groups only with --all";
    EXPECT_THAT(ctl({"status", "--all"}).out, HasSubstr("03:00.0"));

    done = ctl({"bind", gpu});
    EXPECT_EQ(done.code, 0);
    EXPECT_THAT(done.out, HasSubstr("Nothing to do"));

    done = ctl({"release", "group/1"});
    EXPECT_EQ(done.code, 0) << done.err;
    EXPECT_THAT(done.out, HasSubstr("group/1: released"));
    EXPECT_EQ(driverOf(gpu), "nouveau");
}

TEST_F(CtlTest, SpeaksJson) {
    start();
    const auto status = ctl({"--json"});
    EXPECT_EQ(status.code, 0) << status.err;
    EXPECT_EQ(json::parse(status.out), client().describe()) << "the same that Describe gives";

    const auto check = ctl({"--json", "check", nic});
    EXPECT_EQ(check.code, 0) << check.err;
    EXPECT_EQ(json::parse(check.out).at("possible"), true);

    const auto bind = ctl({"--json", "bind", nic});
    EXPECT_EQ(bind.code, 0) << bind.err;
    EXPECT_TRUE(json::accept(bind.out)) << bind.out;
    EXPECT_EQ(driverOf(nic), "vfio-pci");

    const auto show = ctl({"--json", "show", nic});
    EXPECT_EQ(show.code, 0) << show.err;
    EXPECT_EQ(json::parse(show.out).at("groups").at(0).at("state"), "bound");

    const auto refused = ctl({"--json", "bind", "no-such-rule"});
    EXPECT_EQ(refused.code, 1);
    EXPECT_THAT(refused.out, HasSubstr("org.vfiobind1.Error.NoSuchRule"));
    EXPECT_TRUE(json::accept(refused.out)) << refused.out;
}

TEST_F(CtlTest, PrintsDescribesDocumentAsItIs) {
    start();
    const auto document = client().manager().Describe();
    EXPECT_EQ(ctl({"--json", "status"}).out, document + "\n");
    EXPECT_EQ(ctl({"--json", "show"}).out, document + "\n");
}

TEST_F(CtlTest, TakesATargetForWhatTheDaemonTakesIt) {
    configure(
        "[[bind]]\nname = \"later\"\nwhen = \"asked\"\ndevices = [{ address = \"" + nic +
        "\", id = \"8086:\" }]\n[[bind]]\nname = \"gone\"\ndevices = [{ address = \"0000:0f:00.0\" }]\n");
    start();
    const auto status = ctl({"status"});
    EXPECT_EQ(status.code, 0) << status.err;
    EXPECT_THAT(status.out, HasSubstr("Rule later matches 0000:02:00.0, but takes no IOMMU group today."));
    EXPECT_THAT(status.out, HasSubstr("Rule gone matches nothing today"));
    EXPECT_THAT(ctl({"show", "later"}).out, HasSubstr("group/3 native"));
    EXPECT_THAT(ctl({"show", "00:01.0"}).out, HasSubstr("0000:00:01.0")); // which bind refuses
    EXPECT_THAT(ctl({"show", "gone"}).err, HasSubstr("rule gone matches no device"));
    EXPECT_EQ(ctl({"show", "gone"}).code, 1);
    EXPECT_EQ(ctl({"show", "26:00"}).code, 2);
    EXPECT_EQ(ctl({"show", "group/x"}).code, 2);
}

TEST_F(CtlTest, ExportsWhatIsBound) {
    start();
    const auto native = ctl({"export", gpu, "--for", "qemu"});
    EXPECT_EQ(native.code, 3);
    EXPECT_EQ(native.out, "");
    EXPECT_THAT(native.err, AllOf(HasSubstr(audio + " has snd_hda_intel"), HasSubstr("bind group/1")));
    EXPECT_EQ(ctl({"export", "0000:0f:00.0", "--for", "qemu"}).code, 1);

    ASSERT_EQ(ctl({"bind", gpu}).code, 0);
    const auto bound = ctl({"export", audio, "--for", "podman"});
    EXPECT_EQ(bound.code, 0) << bound.err;
    EXPECT_EQ(bound.out, "--device /dev/vfio/vfio --device /dev/vfio/1 --ulimit memlock=-1\n");
    EXPECT_EQ(bound.err, "");
    const auto same = ctl({"--json", "export", audio, "--for", "podman"});
    EXPECT_EQ(json::parse(same.out).at("arguments").at(3), "/dev/vfio/1");
}

TEST_F(CtlTest, EndsWithOneWhenTheJobFails) {
    start();
    tell("fail-at vfio-pci/bind <- " + audio + " EBUSY 1000");
    const auto failed = ctl({"bind", gpu});
    EXPECT_EQ(failed.code, 1);
    EXPECT_THAT(failed.err, AllOf(HasSubstr("everything is as it was before"), HasSubstr("EBUSY")));
    EXPECT_EQ(ctl({"bind", "0000:0f:00.0"}).code, 1);
}

TEST_F(CtlTest, EndsWithTwoOnWrongUsage) {
    start();
    EXPECT_EQ(ctl({"bind"}).code, 2);
    EXPECT_EQ(ctl({"bind", "../x"}).code, 2);
    const auto unknown = ctl({"bind", gpu, "--allow", "nonsense"});
    EXPECT_EQ(unknown.code, 2);
    EXPECT_THAT(unknown.err, HasSubstr("nonsense"));
    EXPECT_EQ(ctl({"release", gpu, "--driver", "x"}).code, 2);
}

TEST_F(CtlTest, EndsWithThreeWhenBlocked) {
    auto machine = standardMachine();
    auto dead = networkCard("0000:04:00.0", 9, "8086:1533");
    dead["dead"] = true;
    machine["devices"].push_back(dead);
    start(machine);
    const auto blocked = ctl({"bind", "0000:04:00.0"});
    EXPECT_EQ(blocked.code, 3);
    EXPECT_THAT(blocked.err, HasSubstr("0000:04:00.0"));
    EXPECT_EQ(ctl({"check", "0000:04:00.0"}).code, 3);
    EXPECT_EQ(ctl({"bind", "0000:00:19.0"}).code, 3) << "no IOMMU group";
    EXPECT_EQ(ctl({"check", nic}).code, 0);
}

TEST_F(CtlTest, EndsWithFourWhenThereIsNoDaemon) {
    for (const auto& arguments :
         std::vector<std::vector<std::string>>{{}, {"bind", gpu}, {"check", gpu}, {"reload"}}) {
        const auto alone = ctl(arguments);
        EXPECT_EQ(alone.code, 4);
        EXPECT_THAT(alone.err, HasSubstr("no answer from vfio-bindd"));
    }
}

TEST_F(CtlTest, ReloadsAndTellsWhyNot) {
    start();
    configure("[[bind]]\nname = \"lan\"\ndevices = [\"" + nic + "\"]\n");
    EXPECT_EQ(ctl({"reload"}).code, 0);
    client().waitForState(3, "bound");
    configure("[bind]\n");
    const auto refused = ctl({"reload"});
    EXPECT_EQ(refused.code, 1);
    EXPECT_THAT(refused.err, HasSubstr(configFile() + ":1:"));
    EXPECT_THAT(ctl({}).out, HasSubstr(configFile())) << "status shows it";
}

TEST_F(CtlTest, DoesNotWaitWhenToldSo) {
    start();
    tell("hang-at e1000e/unbind <- " + nic);
    const auto left = ctl({"bind", nic, "--no-wait"});
    EXPECT_EQ(left.code, 0) << left.err;
    EXPECT_THAT(left.out, HasSubstr("job/"));
    EXPECT_EQ(ctl({"bind", nic}).code, 1) << "Busy";
    settle();
    tell("finish-hang");
    client().waitForState(3, "bound");
}

TEST_F(CtlTest, AnotherMachineIsReachedOverSsh) {
    start();
    const std::string bridge = "exec systemd-stdio-bridge --bus-path=\"$DBUS_SESSION_BUS_ADDRESS\"";
    const auto bound = ctlOverSsh(bridge, {"--host", "admin@box", "bind", gpu});
    EXPECT_EQ(bound.code, 0) << bound.err;
    EXPECT_THAT(bound.out, HasSubstr("group/1: bound"));
    EXPECT_THAT(readFile(folder() + "/ssh.words"), HasSubstr(" admin@box systemd-stdio-bridge"));
    EXPECT_EQ(driverOf(audio), "vfio-pci");
    const auto status = ctlOverSsh(bridge, {"--json", "-H", "box"});
    EXPECT_EQ(status.code, 0) << status.err;
    EXPECT_EQ(json::parse(status.out), client().describe());
}

TEST_F(CtlTest, AMachineThatIsNotReachedIsNamed) {
    const auto failed = ctlOverSsh("echo no route to it >&2; exit 255", {"--host", "box", "status"});
    EXPECT_EQ(failed.code, 4);
    EXPECT_THAT(failed.err, AllOf(HasSubstr("box"), HasSubstr("no route to it")));
}

/// The first waits until the second has been asked: one after the other would not end.
TEST_F(CtlTest, SeveralMachinesAreAskedSideBySideAndOneThatIsNotReachedIsARow) {
    configure("[[bind]]\nname = \"lan\"\ndevices = [\"" + nic + "\"]\n");
    start();
    ASSERT_EQ(mkfifo((folder() + "/meet").c_str(), 0600), 0);
    const std::string script = "case \"$*\" in\n"
                               "*' one '*) read -r met <" +
                               folder() +
                               "/meet ;;\n"
                               "*' two '*) echo yes >" +
                               folder() +
                               "/meet ;;\n"
                               "*) echo Welcome >&2; echo no route to it >&2; exit 255 ;;\nesac\n"
                               "exec systemd-stdio-bridge --bus-path=\"$DBUS_SESSION_BUS_ADDRESS\"";
    const std::vector<std::string> hosts{"--host", "one", "--host", "two", "--host", "three"};
    const auto shown = ctlOverSsh(script, hosts);
    EXPECT_EQ(shown.code, 4) << shown.out << shown.err;
    EXPECT_THAT(shown.out, HasSubstr("\none        3  bound        lan   02:00.0\n"));
    EXPECT_THAT(shown.out, HasSubstr("\ntwo        3  bound        lan   02:00.0\n"));
    EXPECT_THAT(shown.out, testing::ContainsRegex("\nthree      -  unreachable  "));
    EXPECT_THAT(shown.out, HasSubstr("no route to it"));
    auto asked = hosts;
    asked.insert(asked.begin(), "--json");
    const auto document = json::parse(ctlOverSsh(script, asked).out);
    EXPECT_EQ(document.at("hosts")[1].at("state"), client().describe());
    EXPECT_THAT(document.at("hosts")[2].at("error").get<std::string>(),
                HasSubstr("ssh says: no route to it"));
}

TEST_F(CtlTest, ColoursAreForTerminalsThatHaveThemAndAreWanted) {
    configure("[[bind]]\nname = \"lan\"\ndevices = [\"" + nic + "\"]\n");
    start();
    const std::string escape = "\033[3";
    EXPECT_THAT(onATerminal({{"TERM", "xterm"}, {"NO_COLOR", ""}}), HasSubstr(escape));
    EXPECT_THAT(onATerminal({{"TERM", "xterm"}, {"NO_COLOR", "1"}}), Not(HasSubstr("\033")));
    EXPECT_THAT(onATerminal({{"TERM", "dumb"}, {"NO_COLOR", ""}}), Not(HasSubstr("\033")));
    const auto piped = run({VFIO_BIND_CTL, "--session", "status"}, {{"TERM", "xterm"}, {"NO_COLOR", ""}},
                           folder() + "/ctl.err");
    EXPECT_THAT(piped.out, AllOf(HasSubstr("bound"), Not(HasSubstr("\033"))));
}

/// Case 40: SIGTERM touches no device.
TEST_F(CtlTest, TheDaemonEndsOnSigtermWithoutAWrite) {
    configure("[[bind]]\nname = \"lan\"\ndevices = [\"" + nic + "\"]\n");
    start();
    tell("clear-writes");
    kill(daemonPid(), SIGHUP);
    settle();
    EXPECT_EQ(writes(), std::vector<std::string>{});
    // TearDown sends SIGTERM, and wants exit code 0.
}

} // namespace
} // namespace vfiobind::bustest::ctl_test
