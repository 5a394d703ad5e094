# Assembles what Slicer packages, from the extension's own CMake lists, without Slicer, a compiler or a build tool:
#
#   cmake -DSOURCE=<repository> -DDESTINATION=<empty folder> -P assemble.cmake
#
# The extension's CMakeLists.txt are run as they are. Stand-ins take the place of the commands that CMake's script mode
# lacks and of Slicer's macros; they follow CMake/SlicerMacroBuildScriptedModule.cmake: a file that does not exist is an
# error, a relative path is kept, WITH_SUBDIR adds the name of the folder. The metadata and the tests are written to
# <folder>/metadata.txt and <folder>/tests.txt.
cmake_minimum_required(VERSION 3.16.3...3.28.0)

set(MODULES_FOLDER "${DESTINATION}/lib/Slicer-5.12/qt-scripted-modules")

macro(project name)
  set(PROJECT_NAME ${name})
endmacro()

macro(find_package)
  set(Slicer_USE_FILE "${DESTINATION}/empty.cmake")
  set(Slicer_EXTENSION_GENERATE_CONFIG "${DESTINATION}/empty.cmake")
  set(Slicer_EXTENSION_CPACK "${DESTINATION}/empty.cmake")
endmacro()

function(add_subdirectory folder)
  set(CMAKE_CURRENT_SOURCE_DIR "${CMAKE_CURRENT_SOURCE_DIR}/${folder}")
  include("${CMAKE_CURRENT_SOURCE_DIR}/CMakeLists.txt")
endfunction()

function(slicerMacroBuildScriptedModule)
  cmake_parse_arguments(MODULE "WITH_GENERIC_TESTS;WITH_SUBDIR;VERBOSE" "NAME" "SCRIPTS;RESOURCES" ${ARGN})
  if(MODULE_UNPARSED_ARGUMENTS OR NOT MODULE_NAME)
    message(FATAL_ERROR "slicerMacroBuildScriptedModule: NAME is missing, or unknown: ${MODULE_UNPARSED_ARGUMENTS}")
  endif()
  set(target "${MODULES_FOLDER}")
  if(MODULE_WITH_SUBDIR)
    get_filename_component(subdir "${CMAKE_CURRENT_SOURCE_DIR}" NAME)
    set(target "${target}/${subdir}")
  endif()
  foreach(file IN LISTS MODULE_SCRIPTS MODULE_RESOURCES)
    if(IS_ABSOLUTE "${file}" OR file MATCHES "[.][.]")
      message(FATAL_ERROR "${MODULE_NAME}: '${file}' leaves the folder, so it would be missing in the package")
    endif()
    if(NOT EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/${file}")
      message(FATAL_ERROR "${MODULE_NAME}: '${file}' does not exist")
    endif()
    get_filename_component(folder "${target}/${file}" DIRECTORY)
    file(COPY "${CMAKE_CURRENT_SOURCE_DIR}/${file}" DESTINATION "${folder}")
  endforeach()
  if(MODULE_WITH_GENERIC_TESTS)
    file(APPEND "${DESTINATION}/tests.txt" "generic ${MODULE_NAME}\n")
  endif()
endfunction()

function(slicer_add_python_unittest)
  cmake_parse_arguments(TEST "" "TESTNAME_PREFIX;SCRIPT" "SLICER_ARGS" ${ARGN})
  if(NOT EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/${TEST_SCRIPT}")
    message(FATAL_ERROR "slicer_add_python_unittest: '${TEST_SCRIPT}' does not exist")
  endif()
  get_filename_component(name "${TEST_SCRIPT}" NAME_WE)
  file(APPEND "${DESTINATION}/tests.txt" "py_${TEST_TESTNAME_PREFIX}${name}\n")
endfunction()

function(slicer_add_python_test)
  slicer_add_python_unittest(${ARGN})
endfunction()

set(BUILD_TESTING ON)
set(CMAKE_CURRENT_SOURCE_DIR "${SOURCE}")
file(WRITE "${DESTINATION}/empty.cmake" "")
file(WRITE "${DESTINATION}/tests.txt" "")
include("${SOURCE}/CMakeLists.txt")

set(metadata "PROJECT_NAME=${PROJECT_NAME}\n")
get_cmake_property(variables VARIABLES)
foreach(variable IN LISTS variables)
  if(variable MATCHES "^EXTENSION_")
    string(APPEND metadata "${variable}=${${variable}}\n")
  endif()
endforeach()
file(WRITE "${DESTINATION}/metadata.txt" "${metadata}")
