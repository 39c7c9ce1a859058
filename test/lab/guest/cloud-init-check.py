"""What real cloud-init makes of the metadata service, run in the network of a guest. Prints one JSON object.

    cloud-init-check.py ADDRESS INTERFACE

Its data sources find, fetch and parse everything themselves. Only what they would learn from the guest's machine is told
to them: no cloud provider in the firmware, and the kernel's command line that names the seed.
"""
import json
import os
import sys
import tempfile

address, interface = sys.argv[1:]
os.environ["DEBUG_PROC_CMDLINE"] = f"ds=nocloud-net;s=http://{address}/nocloud/"

from cloudinit import distros, dmi, helpers, url_helper, util
from cloudinit.config import schema
from cloudinit.net import netplan, network_state
from cloudinit.sources import DataSourceEc2, DataSourceNoCloud

dmi.read_dmi_data = lambda _: None
# It tries whether names that do not exist are found all the same; here nobody answers such questions.
util._DNS_REDIRECT_IP = set()
config = {"datasource": {"NoCloud": {"fs_label": None}, "Ec2": {"metadata_urls": [f"http://{address}"]}}}


def source(cls):
    """A data source with nothing in its caches."""
    work = tempfile.mkdtemp(prefix="cloud-init-")
    paths = helpers.Paths({"cloud_dir": f"{work}/cloud", "run_dir": f"{work}/run", "templates_dir": work})
    found = cls(config, distros.fetch("debian")("debian", {}, paths), paths)
    found._fallback_interface = interface
    assert found.get_data(), f"{cls.__name__} takes nothing from {address}"
    return found


def told(found):
    """What a data source says of the machine, in the words of cloud-init."""
    name = found.get_hostname(fqdn=True)
    return {
        "instanceId": found.get_instance_id(),
        "hostname": getattr(name, "hostname", name),
        "userData": util.decode_binary(found.get_userdata_raw() or ""),
    }


def rendered(network):
    """The network configuration as netplan gets it: parsed, converted, written."""
    state = network_state.parse_net_config_data(network)
    assert state is not None, f"no network configuration: {network}"
    target = tempfile.mkdtemp(prefix="netplan-")
    netplan.Renderer({"netplan_path": "netplan.yaml"}).render_network_state(state, target=target)
    return util.load_yaml(util.load_file(f"{target}/netplan.yaml"))["network"]["ethernets"]


nocloud = source(DataSourceNoCloud.DataSourceNoCloudNet)
ec2 = source(DataSourceEc2.DataSourceEc2)
seeded = told(nocloud)
user_data = util.load_yaml(seeded["userData"])
schema.validate_cloudconfig_schema(user_data, strict=True)
vendor_data = util.load_yaml(util.decode_binary(nocloud.get_vendordata_raw()))
schema.validate_cloudconfig_schema(vendor_data, strict=True)
# Newer versions read this file of the seed, this one does not: parsed by the same code as one on a disk.
network = util.load_yaml(url_helper.readurl(f"http://{address}/nocloud/network-config").contents)
print(json.dumps({
    "version": __import__("cloudinit.version", fromlist=["version"]).version_string(),
    "nocloud": seeded,
    "ec2": told(ec2),
    "userData": user_data,
    "network": rendered(network),
    "ec2Network": rendered(ec2.network_config),
}))
