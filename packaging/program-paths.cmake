# SPDX-License-Identifier: LGPL-2.1-or-later
# The programs' paths as /usr/libexec and /usr/bin stand in units and scripts, which can so be read, checked and run as
# they are. A distribution that installs them elsewhere gets copies with its own paths.

# vfio_bind_program_paths(VARIABLE FILE...): the paths of the copies; their names are the FILEs'.
function(vfio_bind_program_paths variable)
  set(copies "")
  foreach(file IN LISTS ARGN)
    file(REAL_PATH ${file} source BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
    file(RELATIVE_PATH name ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/.. ${source})
    set(copy ${CMAKE_CURRENT_BINARY_DIR}/with-paths/${name})
    file(READ ${source} text)
    string(REPLACE "/usr/libexec/" "${CMAKE_INSTALL_FULL_LIBEXECDIR}/" text "${text}")
    string(REPLACE "/usr/bin/vfio-bind" "${CMAKE_INSTALL_FULL_BINDIR}/vfio-bind" text "${text}")
    file(WRITE ${copy} "${text}")
    list(APPEND copies ${copy})
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${source})
  endforeach()
  set(${variable} ${copies} PARENT_SCOPE)
endfunction()
