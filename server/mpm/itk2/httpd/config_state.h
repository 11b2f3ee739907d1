// What it is: what the directives have said so far, on its way from directives.cc to config.cc.
#pragma once

#include "httpd/config.h"
#include "httpd/settings.h"

namespace itk2::httpd {

struct ConfigState {
    Settings settings;
    bool names_listeners = false;           // ListenerProcesses
    const char *listener_account = nullptr; // null: not named
    const char *spare_account = nullptr;
    const char *listener_program = nullptr;
    bool capabilities_wanted = true; // EnableCapabilities
};

ConfigState &config_state();

} // namespace itk2::httpd
