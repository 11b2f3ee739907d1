// What it is: httpd's and APR's headers in the one order they can be read in. For httpd/ and the door only.
#pragma once

// clang-format off
#include "httpd.h"
#include "http_config.h"
#include "http_connection.h"
#include "http_core.h"
#include "http_log.h"
#include "http_main.h"
#include "http_protocol.h"
#include "http_request.h"
#include "http_vhost.h"
#include "ap_listen.h"
#include "ap_mpm.h"
#include "mpm_common.h"
#include "scoreboard.h"
#include "unixd.h"
#include "util_filter.h"
#include "apr_portable.h"
#include "apr_strings.h"
// clang-format on

// The real module record; the others are names for <IfModule>.
extern "C" module AP_MODULE_DECLARE_DATA mpm_itk2_module;
