// Folder of this library.
#pragma once

#include <string>

namespace layoutrt {

// The folder of the file that this code was loaded from; "" where the system does not say.
std::string own_folder();

}  // namespace layoutrt
