{
  'targets': [
    {
      # A target called libvirt would yield virt.node: gyp strips the prefix.
      'target_name': 'pvc_libvirt',
      'sources': [
        'src/main.cc',
        'src/value.cc',
        'src/pool.cc',
        'src/mailbox.cc',
        'src/call.cc',
        'src/connection.cc',
        'src/host.cc',
        'src/domain.cc',
        'src/device.cc',
        'src/stats.cc',
        'src/guest.cc',
        'src/migrate.cc',
        'src/secret.cc',
        'src/events.cc',
        'src/console.cc',
        'src/system.cc',
      ],
      'dependencies': ["<!(node -p \"require('node-addon-api').targets\"):node_addon_api_except"],
      'defines': [
        'NAPI_VERSION=8',
        'NODE_ADDON_API_DISABLE_DEPRECATED',
        # A worker thread that is being terminated refuses every call into JavaScript: not a reason to abort the process.
        'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS',
      ],
      'cflags': ['<!@(pkg-config --cflags libvirt)'],
      'cflags_cc!': ['-fno-rtti'],
      'cflags_cc': ['-std=gnu++17', '-Wall', '-Wextra', '-fvisibility=hidden'],
      'libraries': ['<!@(pkg-config --libs libvirt)'],
      # Our threads outlive the environment that loaded the addon (a worker thread may come and go): its code must stay mapped.
      'ldflags': ['-Wl,-z,nodelete'],
    }
  ]
}
