# The kernels, and what checks the plans that call them: which sources, and how they are compiled. The
# firmware is made of them, and so is what `hwnas export` writes for other projects. Wants:
#   HWNAS_CMSIS        folder that holds cmsis_nn/ and cmsis_core/
#   HWNAS_MACHINE      flags that choose the core
#   HWNAS_SHIMS        folder of headers for compilers that bring no C library, else empty
#   HWNAS_PREFIX       before the names of the libraries, where others' could be the same
#   HWNAS_LIBRARIES_ARE  STATIC or OBJECT
set(HERE ${CMAKE_CURRENT_LIST_DIR})
set(CMSIS_NN ${HWNAS_CMSIS}/cmsis_nn)
set(CMSIS_NN_SOURCES
    ConvolutionFunctions/arm_convolve_1_x_n_s8.c
    ConvolutionFunctions/arm_convolve_1x1_s8.c
    ConvolutionFunctions/arm_convolve_1x1_s8_fast.c
    ConvolutionFunctions/arm_convolve_s8.c
    ConvolutionFunctions/arm_convolve_wrapper_s8.c
    ConvolutionFunctions/arm_depthwise_conv_3x3_s8.c
    ConvolutionFunctions/arm_depthwise_conv_s8.c
    ConvolutionFunctions/arm_depthwise_conv_s8_opt.c
    ConvolutionFunctions/arm_depthwise_conv_wrapper_s8.c
    ConvolutionFunctions/arm_nn_mat_mult_kernel_s8_s16.c
    FullyConnectedFunctions/arm_fully_connected_s8.c
    NNSupportFunctions/arm_nn_mat_mult_nt_t_s8.c
    NNSupportFunctions/arm_nn_vec_mat_mult_t_s8.c
    NNSupportFunctions/arm_q7_to_q15_with_offset.c
    PoolingFunctions/arm_avgpool_s8.c
    PoolingFunctions/arm_max_pool_s8.c)
list(TRANSFORM CMSIS_NN_SOURCES PREPEND ${CMSIS_NN}/Source/)

set(COMMON_SOURCES
    ${HERE}/kernels/concatenation.c
    ${HERE}/kernels/kernels.c
    ${HERE}/kernels/pad.c
    ${HERE}/kernels/quantize.c)
file(GLOB CMSIS_NN_OWN_SOURCES CONFIGURE_DEPENDS ${HERE}/kernels/cmsis_nn/*.c)
file(GLOB REFERENCE_SOURCES CONFIGURE_DEPENDS ${HERE}/kernels/reference/*.c)
file(GLOB FLOAT32_SOURCES CONFIGURE_DEPENDS ${HERE}/kernels/float32/*.c)
set(KERNEL_SOURCES
    ${COMMON_SOURCES} ${CMSIS_NN_OWN_SOURCES} ${REFERENCE_SOURCES} ${FLOAT32_SOURCES})
set(PLAN_SOURCES
    ${HERE}/src/check_header.c
    ${HERE}/src/check_memory.c
    ${HERE}/src/check_numbers.c
    ${HERE}/src/check_parameters.c
    ${HERE}/src/check_shapes.c
    ${HERE}/src/check_tensors.c
    ${HERE}/src/crc32.c
    ${HERE}/src/kernel_sets.c
    ${HERE}/src/plan_check.c)

function(add_kernels name)
  add_library(${HWNAS_PREFIX}${name} ${HWNAS_LIBRARIES_ARE} ${ARGN})
  # A function's time depends on where it lies in the lines of the flash's cache: by 14 % for
  # arm_depthwise_conv_3x3_s8. Aligned, it does not change when another kernel does.
  target_compile_options(${HWNAS_PREFIX}${name} PRIVATE -falign-functions=32)
  if(CMAKE_C_COMPILER_ID STREQUAL "Clang") # Loops twice as long would not fit the firmware's flash.
    target_compile_options(${HWNAS_PREFIX}${name} PRIVATE -fno-unroll-loops)
  endif()
  target_include_directories(${HWNAS_PREFIX}${name} SYSTEM PRIVATE
      ${CMSIS_NN}/Include ${HWNAS_CMSIS}/cmsis_core/Include ${HWNAS_SHIMS})
  target_include_directories(${HWNAS_PREFIX}${name} PRIVATE ${HERE}/src ${HERE}/kernels)
endfunction()

add_kernels(common ${COMMON_SOURCES})
if(CMSIS_NN_OWN_SOURCES)
  add_kernels(cmsis_nn ${CMSIS_NN_OWN_SOURCES} ${CMSIS_NN_SOURCES})
  set_source_files_properties(${CMSIS_NN_SOURCES} PROPERTIES COMPILE_OPTIONS -w)
endif()
if(REFERENCE_SOURCES)
  add_kernels(reference ${REFERENCE_SOURCES})
  if(CMAKE_C_COMPILER_ID STREQUAL "GNU") # Versions of loops for special cases are a tenth of its code.
    target_compile_options(${HWNAS_PREFIX}reference PRIVATE
        -fno-version-loops-for-strides -fno-unswitch-loops)
  endif()
endif()
if(FLOAT32_SOURCES)
  add_kernels(float32 ${FLOAT32_SOURCES})
  # A fused multiplication and addition takes a Cortex-M4 3 cycles, the two apart take 2 and give
  # TensorFlow Lite's bits. A Cortex-M7 starts one of either each cycle.
  if(NOT HWNAS_MACHINE MATCHES "cortex.m7")
    target_compile_options(${HWNAS_PREFIX}float32 PRIVATE -ffp-contract=off)
  endif()
  # Else GCC writes loops twice, once for strides of 1, which gain nothing.
  if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    target_compile_options(${HWNAS_PREFIX}float32 PRIVATE -fno-version-loops-for-strides)
  endif()
endif()

# Our own code compiles without a warning, which a test holds against -Werror; Arm's is taken as it
# is.
set(HWNAS_WARNINGS -Wall -Wextra -Wshadow -Wundef -Wstrict-prototypes)
set_source_files_properties(${KERNEL_SOURCES} ${PLAN_SOURCES} PROPERTIES
    COMPILE_OPTIONS "${HWNAS_WARNINGS}")
# Not even under -Ofast may a check for NaN be dropped, or what the exponential adds and subtracts.
set_property(SOURCE
    ${HERE}/kernels/quantize.c ${HERE}/kernels/float32/pointwise.c ${HERE}/kernels/float32/softmax.c
    ${HERE}/src/check_numbers.c
    APPEND PROPERTY COMPILE_OPTIONS -fno-fast-math)
