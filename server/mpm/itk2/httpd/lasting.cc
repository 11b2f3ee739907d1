// What it is: see lasting.h.
#include "httpd/lasting.h"

#include "httpd/apache.h"

namespace itk2::httpd {

namespace {

constexpr std::uint32_t layout = 2;
constexpr char key[] = "mpm-itk2 configuration";

} // namespace

Lasting *lasting() {
    auto *found = static_cast<Lasting *>(ap_retained_data_get(key));
    if (!found) {
        found = static_cast<Lasting *>(ap_retained_data_create(key, sizeof(Lasting)));
        found->layout = layout;
    }
    return found->layout == layout ? found : nullptr;
}

} // namespace itk2::httpd
