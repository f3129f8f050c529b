import org.apache.beam.runners.flink.FlinkJobServerDriver;

/**
 * Beam's job server for Flink, on a class path that it cannot see. It uploads all of its class path to the
 * jobmanager with every job, 150 MB that the cluster has already: tens of seconds where a job takes two.
 */
public class JobServer {
    public static void main(String[] arguments) throws Exception {
        System.setProperty("java.class.path", "");
        FlinkJobServerDriver.main(arguments);
    }
}
