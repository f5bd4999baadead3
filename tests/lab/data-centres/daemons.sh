# shellcheck shell=bash
# The daemons of both data centres and their configuration; `supervisor` reads this.

export KUBECONFIG=$STATE/kubeconfig DOCKER_HOST=unix://$STATE/docker.sock
readonly KEYS=$STATE/dc2/certificates

# `node-tools` for our own daemons as well: kubelet and kube-proxy call iptables and conntrack.
tools() {
    "$CACHE/bin/node-tools" "$@"
}

configure() {
    local admin node
    mkdir -p dc1/registry dc2/registry dc2/etcd dc2/cni "$KEYS" dc1/docker dc2/kubelet dc2/volumes
    # A copy, because a registry writes into its files.
    cp -a --reflink=auto "$CACHE/images/." dc1/registry/
    admin=$(token)
    node=$(token)
    cat >dc2/tokens.csv <<TEXT
$admin,admin,admin,"system:masters"
$node,system:node:dc2,node,"system:nodes"
TEXT
    kubeconfig admin "$admin" >kubeconfig
    kubeconfig node "$node" >dc2/kubeconfig.node
    printf 'cacert = "%s"\nheader = "Authorization: Bearer %s"\n' "$KEYS/apiserver.crt" "$admin" >dc2/cloud.curl
    chmod 600 kubeconfig dc2/kubeconfig.node dc2/tokens.csv dc2/cloud.curl

    registry_config dc1 "$DC1" >dc1/registry.yml
    registry_config dc2 "$DC2" >dc2/registry.yml
    local host
    for host in "$DC1" "$DC2"; do
        mkdir -p "dc2/hosts/$host:5000"
        printf 'server = "http://%s:5000"\n[host."http://%s:5000"]\n  capabilities = ["pull", "resolve"]\n' \
            "$host" "$host" >"dc2/hosts/$host:5000/hosts.toml"
    done
    cat >dc1/daemon.json <<TEXT
{
  "hosts": ["unix://$STATE/docker.sock"],
  "data-root": "$STATE/dc1/docker",
  "exec-root": "/run/dc1/docker",
  "pidfile": "/run/dc1/docker.pid",
  "cgroup-parent": "/migrate-lab/docker",
  "insecure-registries": ["$DC1:5000", "$DC2:5000"],
  "exec-opts": ["native.cgroupdriver=cgroupfs"],
  "oom-score-adjust": 0,
  "deprecated-key-path": "$STATE/dc1/key.json"
}
TEXT
    local snapshotter=native
    if overlay_works; then snapshotter=overlayfs; fi
    cat >dc2/containerd.toml <<TEXT
version = 2
root = "$STATE/dc2/containerd"
state = "/run/dc2/containerd"
disabled_plugins = ["io.containerd.internal.v1.opt"]
[grpc]
  address = "/run/dc2/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "$DC2:5000/lab/pause:1"
  # Sandboxes die where CAP_SYS_RESOURCE is missing and this is not set.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "$snapshotter"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "$TREE/usr/lib/cni"
    conf_dir = "$STATE/dc2/cni"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "$STATE/dc2/hosts"
TEXT
    cat >dc2/cni/10-lab.conflist <<TEXT
{
  "cniVersion": "0.4.0",
  "name": "lab",
  "plugins": [
    {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true, "hairpinMode": true,
     "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.244.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
TEXT
    cat >dc2/kubelet.yaml <<TEXT
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication:
  anonymous: {enabled: true}
  webhook: {enabled: false}
authorization: {mode: AlwaysAllow}
cgroupDriver: cgroupfs
cgroupRoot: /migrate-lab
failCgroupV1: false
failSwapOn: false
enforceNodeAllocatable: []
containerRuntimeEndpoint: unix:///run/dc2/containerd.sock
clusterDNS: [$DC2]
clusterDomain: cluster.local
resolvConf: $STATE/dc2/resolv.conf
podLogsDir: $STATE/log/pods
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
evictionHard: {memory.available: 50Mi, nodefs.available: 1%, imagefs.available: 1%, nodefs.inodesFree: 1%}
registerWithTaints: []
# Quick to see that a probe or a pull that failed works now.
syncFrequency: 10s
serializeImagePulls: false
TEXT
    echo "nameserver $DC2" >dc2/resolv.conf
    # The machine's own name server can't be reached from here, and asking it would take long to fail.
    mount --bind dc2/resolv.conf /etc/resolv.conf
    cat >dc2/Corefile <<TEXT
.:53 {
    bind $DC2
    errors
    kubernetes cluster.local in-addr.arpa {
        kubeconfig $STATE/kubeconfig lab
        pods insecure
        ttl 5
    }
    cache 5 {
        disable success cluster.local
        disable denial cluster.local
    }
}
TEXT
    mkdir -p pause && cp "$(readlink -f "$CACHE/bin/busybox")" pause/busybox
    tar -C pause --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf pause.tar busybox
    rm -r pause
}

token() {
    tr -dc a-f0-9 </dev/urandom | head -c 32 || true
}

# An overlay can't lie on another one, which is what a container's root is.
overlay_works() {
    mkdir -p overlay/lower overlay/upper overlay/work overlay/merged
    local works=1
    if mount -t overlay overlay -o lowerdir=overlay/lower,upperdir=overlay/upper,workdir=overlay/work \
        overlay/merged 2>/dev/null; then
        works=0
        umount overlay/merged
    fi
    rm -rf overlay
    return "$works"
}

kubeconfig() { # USER TOKEN
    cat <<TEXT
apiVersion: v1
kind: Config
clusters:
- name: lab
  cluster: {server: "https://$DC2:6443", certificate-authority: "$KEYS/apiserver.crt"}
users:
- name: $1
  user: {token: $2}
contexts:
- name: lab
  context: {cluster: lab, user: $1}
current-context: lab
TEXT
}

registry_config() { # PLACE ADDRESS
    cat <<TEXT
version: 0.1
log: {level: warn, accesslog: {disabled: true}}
storage:
  filesystem: {rootdirectory: $STATE/$1/registry}
  delete: {enabled: true}
http:
  addr: $2:5000
# The receiver of image pre-synchronisation; nobody listens there but while that is tested.
notifications:
  endpoints:
  - name: presync
    url: http://$2:5050/events
    timeout: 1s
    threshold: 1
    backoff: 1s
TEXT
}

# Under another name than the registries of other tests on this machine.
run_registry() {
    ln -sfn "$(readlink -f "$CACHE/bin/docker-registry")" "$STATE/$place/lab-$place-store"
    exec "$STATE/$place/lab-$place-store" serve "$STATE/$place/registry.yml"
}

run_dockerd() {
    mkdir -p /run/dc1
    exec "$CACHE/bin/node-tools" dockerd --config-file "$STATE/dc1/daemon.json"
}

run_containerd() {
    mkdir -p /run/dc2
    exec "$CACHE/bin/node-tools" containerd --config "$STATE/dc2/containerd.toml"
}

run_etcd() {
    local client=unix://localhost:2379 peer=unix://localhost:2380
    cd /run
    # What the lab stores is worth nothing after a power failure, and other work shares the disk.
    exec etcd --name lab --data-dir "$STATE/dc2/etcd" \
        --listen-client-urls "$client" --advertise-client-urls "$client" \
        --listen-peer-urls "$peer" --initial-advertise-peer-urls "$peer" --initial-cluster "lab=$peer" \
        --heartbeat-interval 100 --election-timeout 1000 --logger zap --log-level warn
}

run_kube_apiserver() {
    cd /run
    exec kube-apiserver \
        --etcd-servers=unix://localhost:2379 \
        --bind-address="$DC2" --secure-port=6443 --advertise-address="$DC2" \
        --cert-dir="$KEYS" \
        --token-auth-file="$STATE/dc2/tokens.csv" \
        --authorization-mode=Node,RBAC \
        --allow-privileged=true \
        --kubelet-preferred-address-types=InternalIP \
        --service-cluster-ip-range=10.96.0.0/16 \
        --service-account-issuer=https://kubernetes.default.svc \
        --service-account-key-file="$KEYS/apiserver.key" \
        --service-account-signing-key-file="$KEYS/apiserver.key" \
        --feature-gates=MutatingAdmissionPolicy=true \
        --runtime-config=admissionregistration.k8s.io/v1beta1=true \
        --profiling=false
}

run_kube_controller_manager() {
    exec kube-controller-manager --kubeconfig="$KUBECONFIG" --leader-elect=false --bind-address=127.0.0.1 \
        --root-ca-file="$KEYS/apiserver.crt" --service-account-private-key-file="$KEYS/apiserver.key" \
        --pvclaimbinder-sync-period=5s --profiling=false
}

run_kube_scheduler() {
    exec kube-scheduler --kubeconfig="$KUBECONFIG" --leader-elect=false --bind-address=127.0.0.1 --profiling=false
}

run_kubelet() {
    exec "$CACHE/bin/node-tools" kubelet --config="$STATE/dc2/kubelet.yaml" --kubeconfig="$STATE/dc2/kubeconfig.node" \
        --root-dir="$STATE/dc2/kubelet" --cert-dir="$STATE/dc2/kubelet/pki" \
        --hostname-override=dc2 --node-ip="$DC2"
}

run_kube_proxy() {
    # Kernel settings of the machine are not for the lab to change.
    exec "$CACHE/bin/node-tools" kube-proxy --kubeconfig="$KUBECONFIG" --proxy-mode=iptables --hostname-override=dc2 \
        --cluster-cidr=10.244.0.0/16 --conntrack-max-per-core=0 --conntrack-tcp-timeout-established=0 \
        --conntrack-tcp-timeout-close-wait=0 --metrics-bind-address=127.0.0.1:10249
}

run_coredns() {
    exec coredns -conf "$STATE/dc2/Corefile"
}

run_cloud() {
    exec "$HERE/cloud"
}
