"""Applications of any size, as people write them."""


def compose(count):
    """A Compose file: web services that lean on databases, with checks, limits, volumes and settings."""
    out = ["services:"]
    for n in range(count):
        out.append(f"""  web{n}:
    image: registry.example/shop/web{n % 20}:1.{n}
    command: ["serve", "--port", "8080"]
    environment:
      DATABASE_HOST: web{n // 10}
      LOG_LEVEL: info
      WORKERS: "{n % 8 + 1}"
    ports: ["{20000 + n}:8080"]
    volumes: ["data{n}:/var/lib/web"]
    labels: {{team: team{n % 7}}}
    restart: always
    healthcheck:
      test: ["CMD", "curl", "-f", "http://localhost:8080/health"]
      interval: 30s
      timeout: 5s
      retries: 3
    deploy:
      replicas: {n % 3 + 1}
      resources:
        limits: {{cpus: "0.5", memory: 256M}}""")
    out.append("volumes:")
    out += [f"  data{n}: {{}}" for n in range(count)]
    return "\n".join(out) + "\n"


def manifests(count):
    """The same for Kubernetes: a Deployment, a Service and a claim for each."""
    out = []
    for n in range(count):
        out.append(f"""apiVersion: apps/v1
kind: Deployment
metadata: {{name: web{n}, labels: {{app: web{n}, team: team{n % 7}}}}}
spec:
  replicas: {n % 3 + 1}
  selector: {{matchLabels: {{app: web{n}}}}}
  template:
    metadata: {{labels: {{app: web{n}}}}}
    spec:
      containers:
      - name: web
        image: registry.example/shop/web{n % 20}:1.{n}
        args: ["serve", "--port", "8080"]
        env:
        - {{name: DATABASE_HOST, value: web{n // 10}}}
        - {{name: LOG_LEVEL, value: info}}
        - {{name: WORKERS, value: "{n % 8 + 1}"}}
        ports: [{{containerPort: 8080}}]
        livenessProbe:
          exec: {{command: [curl, -f, "http://localhost:8080/health"]}}
          periodSeconds: 30
          timeoutSeconds: 5
        resources: {{limits: {{cpu: 500m, memory: 256Mi}}}}
        volumeMounts: [{{name: data, mountPath: /var/lib/web}}]
      volumes: [{{name: data, persistentVolumeClaim: {{claimName: data{n}}}}}]
---
apiVersion: v1
kind: Service
metadata: {{name: web{n}}}
spec:
  selector: {{app: web{n}}}
  ports: [{{port: 8080}}]
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: data{n}}}
spec:
  accessModes: [ReadWriteOnce]
  resources: {{requests: {{storage: 1Gi}}}}""")
    return "\n---\n".join(out) + "\n"


CHART = {
    "deployment": """apiVersion: apps/v1
kind: Deployment
metadata: {{name: "{{{{ .Release.Name }}}}-web{n}"}}
spec:
  replicas: {{{{ .Values.replicas }}}}
  selector: {{matchLabels: {{app: web{n}}}}}
  template:
    metadata: {{labels: {{app: web{n}}}}}
    spec:
      containers:
      - name: web
        image: "{{{{ .Values.image }}}}"
        volumeMounts: [{{name: data, mountPath: /data}}]
      volumes:
      - name: data
        persistentVolumeClaim: {{claimName: data{n}}}
""",
    "service": """apiVersion: v1
kind: Service
metadata:
  name: web{n}
  annotations:
    kubernetes.io/elb.class: union
    kubernetes.io/elb.autocreate: '{{"type": "inner"}}'
spec:
  type: LoadBalancer
  selector: {{app: web{n}}}
  ports:
  - port: 80
    targetPort: 8080
""",
    "claim": """apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: data{n}
  annotations:
    everest.io/disk-volume-type: SSD
spec:
  accessModes: [ReadWriteOnce]
  storageClassName: {{{{ .Values.storageClass }}}}
  resources:
    requests:
      storage: 20Gi
""",
    "settings": """apiVersion: v1
kind: ConfigMap
metadata:
  name: settings{n}
data:
  level: {{{{ .Values.level | quote }}}}
  name: web{n}
""",
}


def chart(folder, objects):
    """A chart for Huawei's cloud with so many objects, one a file."""
    templates = folder / "templates"
    templates.mkdir(parents=True)
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: shop\nversion: 1.0.0\n")
    (folder / "values.yaml").write_text(
        "replicas: 2\nimage: registry.example/shop/web:1.0\nstorageClass: csi-disk\nlevel: info\n"
    )
    for n in range(objects // len(CHART)):
        for name, text in CHART.items():
            (templates / f"{name}{n}.yaml").write_text(text.format(n=n))
